"""What a service of the usual Python kind does with a report of usage: checks it, and keeps it in memory.

Measured beside self-evolution by `tests/bench-usage flask`. It keeps nothing durably, which self-evolution does.
"""

from collections import deque
from datetime import datetime, timezone

from flask import Flask, jsonify, request

app = Flask(__name__)
events = deque(maxlen=1_000_000)
REQUIRED = ("service", "endpoint", "response_time", "status_code")


@app.get("/health")
def health():
    return jsonify(status="healthy")


@app.post("/collect-usage")
def collect_usage():
    event = request.get_json()
    if not all(name in event for name in REQUIRED):
        return jsonify(error="Missing required fields"), 400
    now = datetime.now(timezone.utc).isoformat()
    events.append({**{name: event[name] for name in REQUIRED}, "timestamp": now})
    return jsonify(message="Usage data collected", timestamp=now)
