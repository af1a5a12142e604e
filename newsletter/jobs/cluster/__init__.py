"""The clock of many hosts: duties as jobs of Procrastinate, on our PostgreSQL."""

from newsletter.jobs.cluster.working import Worker

__all__ = ["Worker"]
