"""A stand-in for the Kubernetes API server: real HTTPS, lists in pages, watches with bookmarks, server-side apply, conflicts, tokens; and on
demand it expires versions, throttles, fails and drops connections.

It holds any kind of object; those of our CRDs are checked against their schemas. Every request is written down, so that a test can say
which rights were needed. SPDX-License-Identifier: Apache-2.0"""
import copy
import http.server
import itertools
import json
import ssl
import threading
import time
import urllib.parse
import uuid


class Refusal(Exception):
    def __init__(self, code, reason, message):
        super().__init__(message)
        self.code, self.reason = code, reason

    def body(self):
        return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": self.reason, "message": str(self), "code": self.code}


def leaves(value, path=()):
    """Paths of the fields that an apply owns; lists are atomic."""
    if not isinstance(value, dict) or not value:
        yield path
        return
    for key, each in value.items():
        yield from leaves(each, (*path, key))


def get(value, path):
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


def put(value, path, what):
    for key in path[:-1]:
        value = value.setdefault(key, {})
    value[path[-1]] = what


def drop(value, path):
    parent = get(value, path[:-1])
    if isinstance(parent, dict):
        parent.pop(path[-1], None)


class Store:
    """Objects, their versions and what happened to them. Every method is called under `lock`."""

    def __init__(self, validate):
        self.lock = threading.Condition()
        self.version = 100
        self.compacted = 0  # versions up to it are too old to watch from
        self.log = []  # (version, type, collection, object)
        self.objects = {}  # collection -> {(namespace, name): object}
        self.owned = {}  # (collection, key, manager) -> paths
        self.validate = validate

    def _happened(self, kind, collection, value):
        self.version += 1
        value["metadata"]["resourceVersion"] = str(self.version)
        self.log.append((self.version, kind, collection, copy.deepcopy(value)))
        self.lock.notify_all()
        return copy.deepcopy(value)

    def find(self, collection, key):
        found = self.objects.get(collection, {}).get(key)
        if found is None:
            raise Refusal(404, "NotFound", f"{collection[1]} \"{key[1]}\" not found")
        return found

    def create(self, collection, key, value):
        if key in self.objects.setdefault(collection, {}):
            raise Refusal(409, "AlreadyExists", f"{collection[1]} \"{key[1]}\" already exists")
        value = copy.deepcopy(value)
        self.validate(value, None)
        meta = value.setdefault("metadata", {})
        meta.update(name=key[1], uid=str(uuid.uuid4()), generation=1, creationTimestamp="2026-01-02T03:04:05Z")
        if key[0]:
            meta["namespace"] = key[0]
        self.objects[collection][key] = value
        return self._happened("ADDED", collection, value)

    def store(self, collection, key, value):
        """Replaces what is there, if it changed."""
        old = self.find(collection, key)
        if value == old:
            return copy.deepcopy(old)
        self.validate(value, old)
        if value.get("spec") != old.get("spec"):
            value["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1
        self.objects[collection][key] = value
        return self._happened("MODIFIED", collection, value)

    def replace(self, collection, key, value):
        old = self.find(collection, key)
        wanted = value.get("metadata", {}).get("resourceVersion")
        if wanted and wanted != old["metadata"]["resourceVersion"]:
            raise Refusal(409, "Conflict", "the object has been modified; please apply your changes to the latest version")
        return self.store(collection, key, {**copy.deepcopy(value), "metadata": {**value["metadata"], **{
            field: old["metadata"][field] for field in ("uid", "generation", "resourceVersion", "creationTimestamp")}}})

    def delete(self, collection, key):
        value = self.find(collection, key)
        del self.objects[collection][key]
        for owner in [owner for owner in self.owned if owner[:2] == (collection, key)]:
            del self.owned[owner]
        return self._happened("DELETED", collection, value)

    def apply(self, collection, key, value, manager, force, subresource):
        wanted = {path for path in leaves(value) if (path[0] == "status") == (subresource == "status")
                  and path[0] not in ("apiVersion", "kind") and path[:2] not in (("metadata", "name"), ("metadata", "namespace"))}
        owner = (collection, key, f"{manager} {subresource}")
        if key not in self.objects.setdefault(collection, {}):
            if subresource:
                raise Refusal(404, "NotFound", f"{collection[1]} \"{key[1]}\" not found")
            made = self.create(collection, key, {field: each for field, each in value.items() if field != "status"})
            self.owned[owner] = wanted
            return made
        self._conflicts(owner, value, wanted, force)
        new = copy.deepcopy(self.objects[collection][key])
        for path in self.owned.get(owner, set()) - wanted:
            drop(new, path)
        for path in wanted:
            put(new, path, copy.deepcopy(get(value, path)))
        stored = self.store(collection, key, new)
        self.owned[owner] = wanted
        return stored

    def _conflicts(self, owner, value, wanted, force):
        current = self.objects[owner[0]][owner[1]]
        for other, paths in self.owned.items():
            if other[:2] != owner[:2] or other[2] == owner[2]:
                continue
            rivals = {path for path in paths & wanted if get(current, path) != get(value, path)}
            if rivals and not force:
                raise Refusal(409, "Conflict", f"Apply failed with conflicts with {other[2]}: {sorted(rivals)}")
            paths -= rivals


class Selector:
    def __init__(self, query):
        self.fields = self._pairs(query.get("fieldSelector", ""))
        self.labels = self._pairs(query.get("labelSelector", ""))

    @staticmethod
    def _pairs(text):
        return [pair.split("=", 1) for pair in text.split(",") if pair]

    def takes(self, value):
        return all(get(value, path.split(".")) == want for path, want in self.fields) and all(
            get(value, ("metadata", "labels", label)) == want for label, want in self.labels)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api = None  # set by ApiServer

    def log_message(self, *_):
        pass

    def parse(self):
        """(collection, (namespace, name or None), subresource, query) of the request."""
        url = urllib.parse.urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        query = dict(urllib.parse.parse_qsl(url.query))
        group = "" if parts[0] == "api" else parts[1]
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = ""
        if len(parts) > 2 and parts[0] == "namespaces":
            namespace, parts = parts[1], parts[2:]
        return (group, parts[0]), (namespace, parts[1] if len(parts) > 1 else None), parts[2] if len(parts) > 2 else "", query

    def answer(self, code, body, headers=()):
        raw = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        collection, key, subresource, query = self.parse()
        watch = query.get("watch") == "true"
        verb = {"GET": "watch" if watch else "get" if key[1] else "list", "POST": "create", "PUT": "update", "PATCH": "patch",
                "DELETE": "delete"}[self.command]
        try:
            self.api.admit(self, verb, collection, key, subresource)
            if watch:
                self.watch(collection, Selector(query), query)
                return
            with self.api.store.lock:
                code, result = self.serve(verb, collection, key, subresource, query, json.loads(body) if body else None)
            self.answer(code, result)
        except Refusal as refusal:
            self.answer(refusal.code, refusal.body(), [("Retry-After", "1")] if refusal.code == 429 else ())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

    def serve(self, verb, collection, key, subresource, query, body):
        store = self.api.store
        if verb == "list":
            return 200, self.api.page(collection, key[0], Selector(query), query)
        if verb == "get":
            return 200, copy.deepcopy(store.find(collection, key))
        if verb == "create":
            return 201, store.create(collection, (key[0], body["metadata"]["name"]), body)
        if verb == "update":
            return 200, store.replace(collection, key, body)
        if verb == "delete":
            return 200, store.delete(collection, key)
        if self.headers["Content-Type"] != "application/apply-patch+yaml" or "fieldManager" not in query:
            raise Refusal(415, "UnsupportedMediaType", "only server-side apply is served here")
        return 200, store.apply(collection, key, body, query["fieldManager"], query.get("force") == "true", subresource)

    def watch(self, collection, selector, query):
        store, api = self.api.store, self.api
        since = int(query.get("resourceVersion") or 0)
        with store.lock:
            too_old = since < store.compacted
        gone = Refusal(410, "Expired", "too old resource version")
        if too_old and next(api.expiries) % 2:
            raise gone  # either way is the real one's
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if too_old:
            self.line({"type": "ERROR", "object": gone.body()})
            self.chunk(b"")
            return
        epoch = api.epoch
        while True:
            with store.lock:
                events = [each for each in store.log if each[0] > since and each[2] == collection]
                if not events and api.epoch == epoch:
                    store.lock.wait(api.bookmark_interval)
                    events = [each for each in store.log if each[0] > since and each[2] == collection]
                now = store.version
            if api.epoch != epoch:
                self.close_connection = True
                self.connection.close()  # without the last chunk: as a network does it
                return
            for _, kind, _, value in events:
                if selector.takes(value):
                    self.line({"type": kind, "object": value})
            since = now
            if not events and query.get("allowWatchBookmarks") == "true":
                api.bookmarks += 1
                self.line({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(now)}}})

    def line(self, value):
        self.chunk(json.dumps(value).encode() + b"\n")

    def chunk(self, raw):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        self.wfile.flush()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):  # a client that went, or a watch that was cut
        pass


class ApiServer:
    """Serves until stop(); methods may be called from any thread."""

    def __init__(self, token="token-1", validate=lambda new, old: None, certificate=None, page_size=500, port=0):
        self.store = Store(validate)
        self.tokens = {token}
        self.page_size = page_size
        self.bookmark_interval = 0.2
        self.bookmarks = 0
        self.epoch = 0
        self.expiries = itertools.count()
        self.requests = []  # (verb, group, resource/subresource, namespace, name)
        self.refusals = []  # to come: Refusal for each of the next requests
        self.denied = set()  # (verb, resource) that the token has no right to
        handler = type("BoundHandler", (Handler,), {"api": self})
        self.http = Server(("127.0.0.1", port), handler)
        self.port = self.http.server_address[1]
        self.certificate = certificate
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"{'https' if self.certificate else 'http'}://localhost:{self.port}"

    def admit(self, handler, verb, collection, key, subresource):
        resource = collection[1] + (f"/{subresource}" if subresource else "")
        with self.store.lock:
            self.requests.append((verb, collection[0], resource, key[0], key[1]))
            if handler.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
                raise Refusal(401, "Unauthorized", "Unauthorized")
            if (verb, resource) in self.denied:
                raise Refusal(403, "Forbidden", f"{resource} is forbidden: cannot {verb}")
            if self.refusals:
                raise self.refusals.pop(0)

    def page(self, collection, namespace, selector, query):
        found = [value for key, value in sorted(self.store.objects.get(collection, {}).items())
                 if (not namespace or key[0] == namespace) and selector.takes(value)]
        start = int(query.get("continue") or 0)
        size = min(int(query.get("limit") or self.page_size), self.page_size)
        meta = {"resourceVersion": str(self.store.version)}
        if start + size < len(found):
            meta["continue"] = str(start + size)
        return {"kind": "List", "apiVersion": "v1", "metadata": meta, "items": copy.deepcopy(found[start:start + size])}

    # What a test does beside the clients.

    def put(self, group, resource, value):
        """Makes the object, or replaces all of it but status."""
        meta = value["metadata"]
        collection, key = (group, resource), (meta.get("namespace", ""), meta["name"])
        with self.store.lock:
            if key not in self.store.objects.get(collection, {}):
                return self.store.create(collection, key, value)
            old = self.store.find(collection, key)
            new = {**copy.deepcopy(value), "metadata": {**old["metadata"], **meta}}
            if "status" in old:
                new.setdefault("status", copy.deepcopy(old["status"]))
            return self.store.store(collection, key, new)

    def get(self, group, resource, namespace, name):
        with self.store.lock:
            return copy.deepcopy(self.store.objects.get((group, resource), {}).get((namespace, name)))

    def list(self, group, resource):
        with self.store.lock:
            return copy.deepcopy([value for _, value in sorted(self.store.objects.get((group, resource), {}).items())])

    def delete(self, group, resource, namespace, name):
        with self.store.lock:
            self.store.delete((group, resource), (namespace, name))

    def drop_watches(self):
        with self.store.lock:
            self.epoch += 1
            self.store.lock.notify_all()

    def expire(self):
        """What is watched from before now is too old."""
        with self.store.lock:
            self.store.version += 1
            self.store.compacted = self.store.version
            self.store.log.clear()

    def refuse_next(self, count, code, reason):
        with self.store.lock:
            self.refusals += [Refusal(code, reason, f"refused by the test: {reason}")] * count

    def stop(self):
        self.drop_watches()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
