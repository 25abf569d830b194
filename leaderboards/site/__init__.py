"""The report: finished runs as a static site that opens from the disk."""

from leaderboards.site.report import Report, build_report

__all__ = ["Report", "build_report"]
