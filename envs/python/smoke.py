"""A model in numpy answers over HTTP's own interface (ASGI), and uvicorn is ready to serve it."""

import asyncio
import json

import numpy
import uvicorn

WEIGHTS = numpy.array([0.5, -1.0])


async def app(scope, receive, send):
    rows = json.loads((await receive())["body"])
    answer = (1 / (1 + numpy.exp(-(numpy.array(rows) @ WEIGHTS)))).tolist()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


async def asked(body):
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    config = uvicorn.Config(app, log_config=None)
    config.load()
    await config.loaded_app({"type": "http", "asgi": {}, "headers": []}, receive, send)
    return json.loads(sent[1]["body"])


answers = asyncio.run(asked(b"[[2, 1], [0, 0]]"))
assert answers == [0.5, 0.5], answers
print(f"numpy {numpy.__version__} and uvicorn {uvicorn.__version__} answer")
