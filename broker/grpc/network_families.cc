// SPDX-License-Identifier: Apache-2.0
// Calls are counted by method; what is refused, by kind of request, whether it came on a stream or not.
#include "broker/grpc/network_families.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace cordwood::broker {
namespace {

struct MethodTotals {
  std::int64_t open = 0;
  std::int64_t open_most = 0;  // on one thread
  std::int64_t open_max = 0;   // per thread
  std::string_view limit_name;
  std::vector<const ReasonCounts*> errors;
};

std::string MethodName(std::string_view path) { return SnakeCase(path.substr(path.rfind('/') + 1)); }

// "produce_stream" and "produce" are one kind.
std::string KindOf(const std::string& method) {
  constexpr std::string_view kStream = "_stream";
  return method.ends_with(kStream) ? method.substr(0, method.size() - kStream.size()) : method;
}

}  // namespace

void AddNetworkFamilies(Families& families, NetworkThreads& threads) {
  std::map<std::string, MethodTotals> methods;
  auto outboxes = families.Gauge("cordwood_network_outbox_depth", "Messages to a network thread that it has not begun with");
  for (int i = 0; i < threads.size(); ++i) {
    NetworkThread& thread = threads.at(i);
    outboxes.Add(static_cast<double>(thread.outbox().depth()), {{"thread", std::to_string(i)}});
    for (const CallSet::MethodMeasures& measures : thread.calls().measures()) {
      MethodTotals& totals = methods[MethodName(measures.path)];
      totals.open += measures.open;
      totals.open_most = std::max(totals.open_most, measures.open);
      totals.open_max = measures.open_max;
      totals.limit_name = measures.limit_name;
      totals.errors.push_back(measures.errors);
    }
  }
  auto open = families.Gauge("cordwood_calls_open", "Calls open, by method; a stream is one call");
  for (const auto& [method, totals] : methods) {
    open.Add(static_cast<double>(totals.open), {{"method", method}});
    families.AddLimit(method + "_calls", totals.open_most, totals.open_max, totals.limit_name);
    families.AddErrors(KindOf(method), totals.errors);
  }
}

// Errors are counted with the calls.
void AddControlFamilies(Families& families, const ControlCalls& calls) {
  for (const auto& method : calls.methods()) families.AddRequests(SnakeCase(method->name), method->requests.value());
  LatencyTotals whole;
  std::int64_t unread_most = 0;
  std::uint64_t cut = 0;
  for (const ControlCalls::ThreadMeasures* thread : calls.threads()) {
    whole.Add(thread->whole);
    unread_most = std::max(unread_most, thread->unread_bytes.value());
    cut += thread->cut.value();
  }
  families.Histogram("cordwood_control_seconds", "From a control request to its answer, the wait for a thread included").Add(whole);
  families.Counter("cordwood_control_calls_cut_total", "Control calls that ended since their answers were not read and newer ones needed the room").Add(static_cast<double>(cut));
  families.AddLimit("queued_requests", calls.pool().queued(), calls.pool().queued_max(), "queued.max.requests");
  families.AddLimit("unread_control_bytes", unread_most, static_cast<std::int64_t>(calls.options().unread_bytes_max), "");
}

void AddConnectionFamilies(Families& families, const ConnectionAcceptor& acceptor) {
  const OpenConnections open = acceptor.open();
  std::int64_t from_one_peer = 0;
  for (const auto& [peer, count] : open.by_peer) from_one_peer = std::max(from_one_peer, count);
  families.Gauge("cordwood_connections", "TCP connections to the gRPC listener").Add(static_cast<double>(open.all));
  families.AddLimit("connections", open.all, acceptor.limits().all, "max.connections");
  families.AddLimit("connections_per_ip", from_one_peer, acceptor.limits().per_peer, "max.connections.per.ip");
  families.AddErrors("connection", {&acceptor.refused()});
}

}  // namespace cordwood::broker
