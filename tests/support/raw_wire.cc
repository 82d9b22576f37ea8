// SPDX-License-Identifier: Apache-2.0
// gRPC with byte buffers for messages, and sockets.
#include "tests/support/raw_wire.h"

#include <grpcpp/client_context.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/impl/rpc_method.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/sync_stream.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <vector>

#include "storage/base/check.h"
#include "tests/support/log_client.h"

namespace cordwood::testing {
namespace {

grpc::ByteBuffer ToBuffer(std::string_view bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

void AppendBigEndian(std::string* out, unsigned value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

unsigned BigEndian(std::string_view bytes) {
  unsigned value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

}  // namespace

StatusOr<std::string> CallRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, std::string_view message) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallSeconds);
  const grpc::internal::RpcMethod rpc(method.c_str(), grpc::internal::RpcMethod::NORMAL_RPC);
  const grpc::ByteBuffer request = ToBuffer(message);
  grpc::ByteBuffer response;
  const grpc::Status status = grpc::internal::BlockingUnaryCall(channel.get(), rpc, &context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  return ToString(response);
}

StatusOr<std::string> CallRawStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, std::string_view message) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallSeconds);
  const grpc::internal::RpcMethod rpc(method.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING);
  std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream(
      grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(channel.get(), rpc, &context));
  stream->Write(ToBuffer(message));
  grpc::ByteBuffer response;
  const bool answered = stream->Read(&response);
  if (answered) context.TryCancel();
  const grpc::Status status = stream->Finish();
  if (!answered) return FromGrpc(status);
  return ToString(response);
}

RawConnection::RawConnection(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  CORDWOOD_CHECK(getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &hints, &found) == 0);
  fd_ = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{10, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (connect(fd_, found->ai_addr, found->ai_addrlen) != 0) {
    close(fd_);
    fd_ = -1;
  }
  freeaddrinfo(found);
}

RawConnection::~RawConnection() {
  if (fd_ >= 0) close(fd_);
}

bool RawConnection::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool RawConnection::ReadSome(std::string* all) {
  char buffer[16384];
  const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
  if (n > 0) all->append(buffer, static_cast<std::size_t>(n));
  return n > 0;
}

std::string Http2Frame(int type, int flags, int stream, std::string_view payload) {
  std::string frame;
  AppendBigEndian(&frame, static_cast<unsigned>(payload.size()), 3);
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  AppendBigEndian(&frame, static_cast<unsigned>(stream), 4);
  return frame.append(payload);
}

std::string BigEndian32(std::uint32_t value) {
  std::string bytes;
  AppendBigEndian(&bytes, value, 4);
  return bytes;
}

std::string Http2Opening() { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Http2Frame(4, 0, 0, ""); }

std::string GrpcRequestHeaders(std::string_view path, int stream, std::string_view timeout) {
  std::string block;
  const auto field = [&block](std::string_view name, std::string_view value) {
    block.push_back('\0');  // HPACK: literal, not indexed, new name; lengths below 127
    block.push_back(static_cast<char>(name.size()));
    block.append(name);
    block.push_back(static_cast<char>(value.size()));
    block.append(value);
  };
  field(":method", "POST");
  field(":scheme", "http");
  field(":path", path);
  field(":authority", "localhost");
  field("content-type", "application/grpc");
  field("te", "trailers");
  if (!timeout.empty()) field("grpc-timeout", timeout);
  return Http2Frame(kHeadersFrame, kEndHeaders, stream, block);
}

namespace {

// `look` at the type and flags of each frame of `stream` whose header is there, until it returns true; then true.
template <class Look>
bool AnyFrame(std::string_view bytes, int stream, Look look) {
  constexpr std::size_t kFrameHeaderBytes = 9;
  while (bytes.size() >= kFrameHeaderBytes) {
    if (BigEndian(bytes.substr(5, 4)) == static_cast<unsigned>(stream) && look(bytes[3], bytes[4])) return true;
    const std::size_t length = BigEndian(bytes.substr(0, 3));
    if (bytes.size() < kFrameHeaderBytes + length) break;
    bytes.remove_prefix(kFrameHeaderBytes + length);
  }
  return false;
}

}  // namespace

std::string FrameTypes(std::string_view bytes, int stream) {
  std::string types;
  AnyFrame(bytes, stream, [&](char type, char) {
    types.push_back(type);
    return false;
  });
  return types;
}

bool StreamEnded(std::string_view bytes, int stream) {
  return AnyFrame(bytes, stream, [](char type, char flags) { return (type == kDataFrame || type == kHeadersFrame) && (flags & kEndStream) != 0; });
}

HttpAnswer HttpGet(const std::string& address, const std::string& path) {
  RawConnection connection(address);
  connection.Send("GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\nConnection: close\r\n\r\n");
  const std::string text = connection.ReadAll();
  HttpAnswer answer;
  if (text.size() > 12 && text.compare(0, 5, "HTTP/") == 0) answer.code = std::atoi(text.c_str() + 9);
  if (const std::size_t body = text.find("\r\n\r\n"); body != std::string::npos) answer.body = text.substr(body + 4);
  return answer;
}

}  // namespace cordwood::testing
