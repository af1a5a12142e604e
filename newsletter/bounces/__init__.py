"""What comes back of what we sent: reports, complaints, replies."""
