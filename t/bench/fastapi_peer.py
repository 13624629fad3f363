"""The system that ponte replaces, doing the same work honestly: verify the
signature, parse, keep the message once, commit with synchronous=FULL, answer.
Run by uvicorn with two workers (t/bench/bench.py)."""

import hashlib
import hmac
import json
import os
import sqlite3
import time

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

SECRET = os.environ["BENCH_SECRET"].encode()
app = FastAPI()
db = sqlite3.connect(os.environ["BENCH_DB"], timeout=30, isolation_level=None, check_same_thread=False)
db.execute("PRAGMA journal_mode=WAL")
db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE IF NOT EXISTS event(id INTEGER PRIMARY KEY, key TEXT UNIQUE, conversation INTEGER, body BLOB, at REAL)")


@app.post("/{path:path}")
async def intake(path: str, request: Request):
    raw = await request.body()
    stamp = request.headers.get("x-chatwoot-timestamp", "")
    mac = hmac.new(SECRET, stamp.encode() + b"." + raw, hashlib.sha256).hexdigest()
    if not hmac.compare_digest("sha256=" + mac, request.headers.get("x-chatwoot-signature", "")) or \
            abs(time.time() - int(stamp)) > 300:
        return JSONResponse({"status": "refused"}, 401)
    event = json.loads(raw)
    db.execute("BEGIN IMMEDIATE")
    got = db.execute("INSERT OR IGNORE INTO event(key, conversation, body, at) VALUES(?,?,?,?)",
                     (f"m:{event['id']}", event["conversation"]["id"], raw, time.time()))
    db.execute("COMMIT")
    return {"status": "accepted" if got.rowcount else "duplicate"}
