"""A gRPC client that knows nothing but what the server's reflection tells: no generated code.

SPDX-License-Identifier: Apache-2.0"""
import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "grpc.reflection.v1alpha.ServerReflection"
STRING, BYTES, MESSAGE = (descriptor_pb2.FieldDescriptorProto.TYPE_STRING, descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
                          descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE)


def reflection_messages():
    """The few messages of the reflection protocol that are needed, as its specification has them."""
    file = descriptor_pb2.FileDescriptorProto(name="reflection_subset.proto", package="subset", syntax="proto3")

    def message(name, *fields):
        made = file.message_type.add(name=name)
        for number, field, kind, repeated, type_name in fields:
            made.field.add(name=field, number=number, type=kind, label=3 if repeated else 1, **({"type_name": type_name} if type_name else {}))

    message("Request", (4, "file_containing_symbol", STRING, False, ""), (7, "list_services", STRING, False, ""))
    message("Files", (1, "file_descriptor_proto", BYTES, True, ""))
    message("Service", (1, "name", STRING, False, ""))
    message("Services", (1, "service", MESSAGE, True, ".subset.Service"))
    message("Response", (4, "files", MESSAGE, False, ".subset.Files"), (6, "services", MESSAGE, False, ".subset.Services"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return [message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName(f"subset.{name}")) for name in ("Request", "Response")]


class Client:
    """Services and messages by name, over one channel."""

    def __init__(self, socket, channel=None):
        self.channel = channel or grpc.insecure_channel(f"unix:{socket}", options=[("grpc.default_authority", "localhost")])
        self.request, self.response = reflection_messages()
        self.pool = descriptor_pool.DescriptorPool()
        self.files = {}

    @classmethod
    def over(cls, channel):
        return cls(None, channel)

    def ask(self, **what):
        call = self.channel.stream_stream(f"/{SERVICE}/ServerReflectionInfo", self.request.SerializeToString, self.response.FromString)
        (answer,) = list(call(iter([self.request(**what)]), timeout=20))
        return answer

    def services(self):
        return sorted(each.name for each in self.ask(list_services="*").services.service)

    def load(self, symbol):
        """The server sends the file of the symbol and all that it imports."""
        for data in self.ask(file_containing_symbol=symbol).files.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            self.files.setdefault(file.name, file)
        done = set()

        def add(name):
            if name in done or name not in self.files:
                return
            done.add(name)
            for dependency in self.files[name].dependency:
                add(dependency)
            try:
                self.pool.FindFileByName(name)
            except KeyError:
                self.pool.Add(self.files[name])

        for name in list(self.files):
            add(name)

    def method(self, service, name):
        try:
            found = self.pool.FindServiceByName(service)
        except KeyError:
            self.load(service)
            found = self.pool.FindServiceByName(service)
        return found.methods_by_name[name]

    def message(self, descriptor):
        return message_factory.MessageFactory(self.pool).GetPrototype(descriptor)

    def call(self, service, call, /, timeout=30, **fields):
        method = self.method(service, call)
        request, response = self.message(method.input_type), self.message(method.output_type)
        make = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        return make(f"/{service}/{call}", request.SerializeToString, response.FromString)(request(**fields), timeout=timeout)


def error_info(error):
    """(reason, metadata) of a failed call, from grpc-status-details-bin, read by field numbers alone."""
    details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
    file = descriptor_pb2.FileDescriptorProto(name="status_subset.proto", package="subset", syntax="proto3")
    status = file.message_type.add(name="Status")
    status.field.add(name="details", number=3, type=MESSAGE, label=3, type_name=".subset.Any")
    anything = file.message_type.add(name="Any")
    anything.field.add(name="type_url", number=1, type=STRING, label=1)
    anything.field.add(name="value", number=2, type=BYTES, label=1)
    info = file.message_type.add(name="ErrorInfo")
    info.field.add(name="reason", number=1, type=STRING, label=1)
    info.field.add(name="domain", number=2, type=STRING, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    status_type, info_type = (factory.GetPrototype(pool.FindMessageTypeByName(f"subset.{name}")) for name in ("Status", "ErrorInfo"))
    for each in status_type.FromString(details).details:
        if each.type_url.endswith("google.rpc.ErrorInfo"):
            found = info_type.FromString(each.value)
            return found.reason, found.domain
    return None, None
