"""What the proxy counts, in the text form of Prometheus. Labels are of a fixed set: no users, no devices."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600)


class Metrics:
    """The counters of one proxy."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.posts = self._counter("posts", "Posts of Exchange by what they were answered", "answer")
        self.received = self._counter("notifications_received", "New mail that Exchange told of")
        self.repeated = self._counter("notifications_repeated", "New mail that was known already")
        self.delivered = self._counter("notifications_delivered", "Taken by a gateway", "gateway")
        self.dropped = self._counter("notifications_dropped", "Not told, and why", "reason")
        self.requests = self._counter("requests", "Requests by what came of them", "to", "result")
        self.lookups = self._counter("lookups", "Messages looked up", "result")
        self.calls = self._counter("registrations_calls", "Calls of clients", "answer")
        self.registrations = Gauge("emailplus_registrations", "Registrations held", registry=self.registry)
        self.waiting = Gauge("emailplus_notifications_waiting", "Notifications in the queue", registry=self.registry)
        self.up = Gauge("emailplus_up", "1: the last request was answered", ["to"], registry=self.registry)
        self.delay = Histogram(
            "emailplus_delivery_seconds", "From the post of Exchange to the gateway's yes",
            registry=self.registry, buckets=_BUCKETS,
        )  # fmt: skip

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"emailplus_{name}", text, labels, registry=self.registry)

    def text(self) -> bytes:
        """The page."""
        return generate_latest(self.registry)
