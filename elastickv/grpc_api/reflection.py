"""Server reflection, v1 and v1alpha, so that grpcurl works without .proto files.

grpcio-reflection brings v1alpha only. v1 is the same protocol under another package name, message by message, so its
file descriptor is v1alpha's with the name replaced, and one servicer answers both. New clients ask for v1 first, older
ones only know v1alpha.

The servicer is our own, because descriptors that come out of Python's pool lack the fields' JSON names, and grpcurl
would print `read_at_index` where every other server makes it print `readAtIndex`; and because the pool cannot be asked
for a method ("RaftAdmin.Await").
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from functools import cache
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2 as pb

from elastickv.grpc_api.calls import Methods
from elastickv.grpc_api.errors import Context

_ALPHA: Final = "grpc.reflection.v1alpha"
_V1: Final = "grpc.reflection.v1"
_V1_FILE: Final = "grpc/reflection/v1/reflection.proto"

V1ALPHA_SERVICE: Final[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["ServerReflection"]


def _v1_file() -> FileDescriptor:
    pool = descriptor_pool.Default()
    try:
        found: FileDescriptor = pool.FindFileByName(_V1_FILE)
        return found  # somebody else has brought it along
    except KeyError:
        pass
    file = FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = _V1_FILE, _V1
    file.ClearField("options")  # names for other languages, and "deprecated"
    for message in file.message_type:
        for field in message.field:
            if not field.HasField("type_name"):
                continue  # a scalar; setting even an empty name would make it something else
            field.type_name = field.type_name.replace(f".{_ALPHA}.", f".{_V1}.")
    for service in file.service:
        for method in service.method:
            method.input_type = method.input_type.replace(f".{_ALPHA}.", f".{_V1}.")
            method.output_type = method.output_type.replace(f".{_ALPHA}.", f".{_V1}.")
    pool.AddSerializedFile(file.SerializeToString())
    added: FileDescriptor = pool.FindFileByName(_V1_FILE)
    return added


V1_SERVICE: Final[ServiceDescriptor] = _v1_file().services_by_name["ServerReflection"]


class Reflection:
    """Answers from the default descriptor pool; `services` are the names to list."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = sorted({*services, V1_SERVICE.full_name, V1ALPHA_SERVICE.full_name})
        self._pool = descriptor_pool.Default()

    def methods(self) -> Methods:
        return {"ServerReflectionInfo": self.info}

    async def info(self, requests: Any, _: Context) -> AsyncGenerator[pb.ServerReflectionResponse, None]:
        async for request in requests:
            # The bytes of the two versions are the same, and v1alpha's classes are the ones with types.
            yield self._answer(pb.ServerReflectionRequest.FromString(request.SerializeToString()))

    def _answer(self, request: pb.ServerReflectionRequest) -> pb.ServerReflectionResponse:
        response = pb.ServerReflectionResponse(valid_host=request.host, original_request=request)
        try:
            match request.WhichOneof("message_request"):
                case "file_by_filename":
                    self._add_files(response, self._pool.FindFileByName(request.file_by_filename))
                case "file_containing_symbol":
                    self._add_files(response, self._file_of(request.file_containing_symbol))
                case "file_containing_extension":
                    wanted = request.file_containing_extension
                    message = self._pool.FindMessageTypeByName(wanted.containing_type)
                    extension: Any = self._pool.FindExtensionByNumber(message, wanted.extension_number)
                    self._add_files(response, extension.file)
                case "all_extension_numbers_of_type":
                    message = self._pool.FindMessageTypeByName(request.all_extension_numbers_of_type)
                    answer = response.all_extension_numbers_response
                    answer.base_type_name = message.full_name
                    answer.extension_number.extend(sorted(e.number for e in self._pool.FindAllExtensions(message)))
                case "list_services":
                    listed = response.list_services_response.service
                    listed.extend(pb.ServiceResponse(name=name) for name in self._services)
                case _:
                    _set_error(response, grpc.StatusCode.INVALID_ARGUMENT, "the request asks for nothing")
        except KeyError:
            _set_error(response, grpc.StatusCode.NOT_FOUND, "not found")
        return response

    def _file_of(self, symbol: str) -> FileDescriptor:
        try:
            found: FileDescriptor = self._pool.FindFileContainingSymbol(symbol)
            return found
        except KeyError:
            parent, _, name = symbol.rpartition(".")
            if not parent:
                raise
        service: ServiceDescriptor = self._pool.FindServiceByName(parent)
        method: MethodDescriptor = service.methods_by_name[name]
        return method.containing_service.file

    def _add_files(self, response: pb.ServerReflectionResponse, file: FileDescriptor) -> None:
        """The file and all that it imports."""
        files: dict[str, FileDescriptor] = {}
        pending = [file]
        while pending:
            one = pending.pop()
            if one.name not in files:
                files[one.name] = one
                pending.extend(one.dependencies)
        response.file_descriptor_response.file_descriptor_proto.extend(map(_file_bytes, files.values()))


def _set_error(response: pb.ServerReflectionResponse, code: grpc.StatusCode, message: str) -> None:
    number: Any = code.value[0]
    response.error_response.error_code = number
    response.error_response.error_message = message


@cache
def _file_bytes(file: FileDescriptor) -> bytes:
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    pending = list(proto.message_type)
    while pending:
        message = pending.pop()
        pending.extend(message.nested_type)
        for field in message.field:
            field.json_name = field.json_name or _json_name(field.name)
    return proto.SerializeToString()


def _json_name(name: str) -> str:
    """As protoc makes it: read_at_index becomes readAtIndex."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
