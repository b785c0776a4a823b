"""Server reflection, v1 and v1alpha, so that grpcurl works without .proto files.

grpcio-reflection brings v1alpha only. v1 is the same protocol under another package name, message by message, so its
file descriptor is v1alpha's with the name replaced, and one servicer answers both. New clients ask for v1 first, older
ones only know v1alpha.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any, Final

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection as v1alpha
from grpc_reflection.v1alpha import reflection_pb2

from elastickv.grpc_api.calls import Methods
from elastickv.grpc_api.errors import Context

_ALPHA: Final = "grpc.reflection.v1alpha"
_V1: Final = "grpc.reflection.v1"
_V1_FILE: Final = "grpc/reflection/v1/reflection.proto"

V1ALPHA_SERVICE: Final[ServiceDescriptor] = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]


def _v1_file() -> FileDescriptor:
    pool = descriptor_pool.Default()
    try:
        found: FileDescriptor = pool.FindFileByName(_V1_FILE)
        return found  # somebody else has brought it along
    except KeyError:
        pass
    file = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = _V1_FILE, _V1
    file.ClearField("options")  # names for other languages, and "deprecated"
    for message in file.message_type:
        for field in message.field:
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
    def __init__(self, services: Iterable[str]) -> None:
        names = {*services, V1_SERVICE.full_name, V1ALPHA_SERVICE.full_name}
        aio: Any = v1alpha.aio  # type: ignore[attr-defined]
        self._servicer = aio.ReflectionServicer(service_names=sorted(names))

    def methods(self) -> Methods:
        return {"ServerReflectionInfo": self.info}

    async def info(
        self, requests: Any, context: Context
    ) -> AsyncGenerator[reflection_pb2.ServerReflectionResponse, None]:
        async for response in self._servicer.ServerReflectionInfo(_translated(requests), context):
            yield response


async def _translated(requests: Any) -> AsyncGenerator[reflection_pb2.ServerReflectionRequest, None]:
    """Requests as v1alpha's class, whichever version they came in: the bytes are the same."""
    async for request in requests:
        if isinstance(request, reflection_pb2.ServerReflectionRequest):
            yield request
        else:
            yield reflection_pb2.ServerReflectionRequest.FromString(request.SerializeToString())
