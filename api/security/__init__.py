"""Who may do what, from where, how often and how much of it; handlers only say so by decorators."""

from api.security.guard import actor
from api.security.requirements import body_limit, public, rate_limit_exempt, requires, upload_rate

__all__ = ["actor", "body_limit", "public", "rate_limit_exempt", "requires", "upload_rate"]
