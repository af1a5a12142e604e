"""Speed and memory of sending, beside peers on the same relay in the same run (`make bench`)."""
