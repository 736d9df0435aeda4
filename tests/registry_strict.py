"""A registry in memory that takes the distribution specification 1.1 at its word.

What Debian's docker-registry does not do: chunks out of order are 416, an upload that broke keeps
what arrived, referrers have an API, tags can be deleted.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.core.digest import of_bytes

INDEX = "application/vnd.oci.image.index.v1+json"


class Content:
    """What it holds: blobs, manifests and tags by repository, and uploads by number."""

    def __init__(self) -> None:
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.tags: dict[tuple[str, str], str] = {}
        self.uploads: dict[str, bytearray] = {}
        self.asked: list[tuple[str, str]] = []
        self.filters = True


@contextmanager
def strict() -> Iterator[tuple[str, Content]]:
    """Give the host of an empty registry, and what it holds, while the block runs."""
    content = Content()

    class Handler(_Handler):
        held = content

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", content
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    held: Content

    def handle_any(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(parts.query))
        self.held.asked.append((self.command, self.path))
        for kind, pattern in (
            ("upload", r"/v2/(.+)/blobs/uploads/(.*)"),
            ("blob", r"/v2/(.+)/blobs/(.+)"),
            ("manifest", r"/v2/(.+)/manifests/(.+)"),
            ("tags", r"/v2/(.+)/tags/(list)"),
            ("referrers", r"/v2/(.+)/referrers/(.+)"),
        ):
            if found := re.fullmatch(pattern, parts.path):
                getattr(self, kind)(found[1], found[2])
                return
        self.answer(404, code="UNSUPPORTED")

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any

    def upload(self, name: str, number: str) -> None:
        uploads = self.held.uploads
        if self.command == "POST":
            self.body()
            other = self.query.get("from", ""), self.query.get("mount", "")
            if other in self.held.blobs:
                self.held.blobs[name, other[1]] = self.held.blobs[other]
                self.answer(201, Location=f"/v2/{name}/blobs/{other[1]}")
                return
            number = str(len(uploads))
            uploads[number] = bytearray()
            self.answer(202, Location=f"/v2/{name}/blobs/uploads/{number}?part=0")
            return
        if number not in uploads:
            self.body()
            self.answer(404, code="BLOB_UPLOAD_UNKNOWN")
            return
        there = uploads[number]
        ranged = self.headers.get("Content-Range", "")
        if ranged and int(ranged.partition("-")[0]) != len(there):
            self.body()
            self.answer(416, code="RANGE_INVALID")
            return
        if self.command in ("PATCH", "PUT") and not self.arrived(there):
            return
        if self.command == "PUT":
            digest = self.query["digest"]
            if of_bytes(bytes(there)) != digest:
                self.answer(400, code="DIGEST_INVALID")
                return
            self.held.blobs[name, digest] = bytes(uploads.pop(number))
            self.answer(201, Location=f"/v2/{name}/blobs/{digest}")
            return
        place = f"/v2/{name}/blobs/uploads/{number}?part={len(there)}"
        code = 204 if self.command == "GET" else 202
        self.answer(code, Location=place, Range=f"0-{max(0, len(there) - 1)}")

    def arrived(self, there: bytearray) -> bool:
        """Keep the body as it comes; whether all of it came."""
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.rfile.read1(min(left, 1 << 16))
            if not piece:
                self.close_connection = True
                return False
            there += piece
            left -= len(piece)
        return True

    def blob(self, name: str, digest: str) -> None:
        data = self.held.blobs.get((name, digest))
        if data is None:
            self.answer(404, code="BLOB_UNKNOWN")
        elif self.command == "DELETE":
            del self.held.blobs[name, digest]
            self.answer(202)
        elif ranged := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(ranged[1])
            told = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.answer(206, data[start:], **{"Content-Range": told})
        else:
            self.answer(200, data, **{"Docker-Content-Digest": digest})

    def manifest(self, name: str, reference: str) -> None:
        held = self.held
        if self.command == "PUT":
            self.put_manifest(name, reference)
            return
        digest = reference if ":" in reference else held.tags.get((name, reference), "")
        if (name, digest) not in held.manifests:
            self.answer(404, code="MANIFEST_UNKNOWN")
        elif self.command == "DELETE":
            if ":" in reference:
                del held.manifests[name, digest]
                for tag in [tag for tag, to in held.tags.items() if to == digest]:
                    del held.tags[tag]
            else:
                del held.tags[name, reference]
            self.answer(202)
        else:
            data, kind = held.manifests[name, digest]
            self.answer(200, data, **{"Content-Type": kind, "Docker-Content-Digest": digest})

    def put_manifest(self, name: str, reference: str) -> None:
        data = self.body()
        digest, document = of_bytes(data), json.loads(data)
        if ":" in reference and reference != digest:
            self.answer(400, code="DIGEST_INVALID")
            return
        named = [*document.get("layers", ()), *filter(None, [document.get("config")])]
        if any((name, one["digest"]) not in self.held.blobs for one in named):
            self.answer(404, code="MANIFEST_BLOB_UNKNOWN")
            return
        self.held.manifests[name, digest] = data, self.headers.get("Content-Type", "")
        if ":" not in reference:
            self.held.tags[name, reference] = digest
        more = {"OCI-Subject": document["subject"]["digest"]} if "subject" in document else {}
        self.answer(201, **{"Docker-Content-Digest": digest, **more})

    def tags(self, name: str, _: str) -> None:
        there = sorted(tag for owner, tag in self.held.tags if owner == name)
        left = [tag for tag in there if tag > self.query.get("last", "")]
        page = left[: int(self.query.get("n", 100))]
        more = {}
        if len(left) > len(page):
            asked = urllib.parse.urlencode({"n": self.query["n"], "last": page[-1]})
            more = {"Link": f'</v2/{name}/tags/list?{asked}>; rel="next"'}
        if there:
            self.answer(200, json.dumps({"name": name, "tags": page}).encode(), **more)
        else:
            self.answer(404, code="NAME_UNKNOWN")

    def referrers(self, name: str, digest: str) -> None:
        found = []
        for (owner, own), (data, kind) in self.held.manifests.items():
            document = json.loads(data)
            if owner == name and document.get("subject", {}).get("digest") == digest:
                of = document.get("artifactType") or document["config"]["mediaType"]
                entry = {"mediaType": kind, "digest": own, "size": len(data), "artifactType": of}
                found.append({**entry, "annotations": document.get("annotations", {})})
        wanted, more = self.query.get("artifactType", ""), {}
        if wanted and self.held.filters:
            found = [one for one in found if one["artifactType"] == wanted]
            more = {"OCI-Filters-Applied": "artifactType"}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": found}
        self.answer(200, json.dumps(index).encode(), **{"Content-Type": INDEX, **more})

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, data: bytes = b"", *, code: str = "", **headers: str) -> None:
        if code:
            data = json.dumps({"errors": [{"code": code, "message": "so it is"}]}).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()
