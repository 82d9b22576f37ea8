// SPDX-License-Identifier: Apache-2.0
// Request and reply over two topics: a reply carries the request's correlation id. Who asks has a group of its own for its replies and commits a reply when it has
// handled it, so that one which came while it was down is there when it is back.
#include <cordwood/client.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <set>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr char kRequests[] = "requests";
constexpr char kReplies[] = "replies";

// Squares numbers; a word it does not know has no reply.
void Serve(cordwood::Client client, const std::atomic<bool>& stop) {
  cordwood::Consumer consumer =
      client.NewConsumer({.group = {.id = "squares", .reset = cordwood::GroupReset::Earliest(), .auto_commit = false}}).value();
  cordwood::Producer producer = client.NewProducer().value();
  consumer.Subscribe({kRequests}).value();
  while (!stop) {
    const auto requests = consumer.Poll(100ms).value();
    for (const cordwood::ConsumerRecord& request : requests) {
      if (request.value().find_first_not_of("0123456789") != std::string_view::npos) continue;
      const int number = std::stoi(std::string(request.value()));
      const auto reply_to = request.header("reply-to");
      const auto id = request.header("correlation-id");
      if (!reply_to || !id) continue;
      producer.Send(std::string(*reply_to), {.value = std::to_string(number * number), .headers = {{"correlation-id", *id}}}).get().value();
    }
    if (!requests.empty()) consumer.Commit().value();  // the replies are in the log: a crash before this answers twice, never not at all
  }
  consumer.Close(5s).value();
}

class Requester {
 public:
  Requester(cordwood::Client client, const std::string& name, std::set<std::string>& open)
      : open_(open), producer_(client.NewProducer().value()),
        consumer_(client.NewConsumer({.group = {.id = name, .reset = cordwood::GroupReset::Earliest(), .auto_commit = false}}).value()) {
    consumer_.Subscribe({kReplies}).value();
  }

  void Ask(const std::string& id, const std::string& what) {
    open_.insert(id);  // a real one keeps these with its own state
    producer_.Send(kRequests, {.value = what, .headers = {{"correlation-id", id}, {"reply-to", kReplies}}}).get().value();
  }
  // Handles up to `most` replies to open requests, until the deadline; how many.
  int Receive(int most, Clock::time_point deadline) {
    int handled = 0;
    while (handled < most && Clock::now() < deadline) {
      for (const cordwood::ConsumerRecord& reply : consumer_.Poll(50ms).value()) {
        if (handled == most) break;
        handled += static_cast<int>(open_.erase(std::string(reply.header("correlation-id").value_or(""))));  // a second reply finds nothing
        consumer_.Commit({{reply.topic_partition(), {.offset = reply.offset() + 1}}}).value();
      }
    }
    return handled;
  }

 private:
  std::set<std::string>& open_;
  cordwood::Producer producer_;
  cordwood::Consumer consumer_;
};

}  // namespace

int main(int argc, char** argv) try {
  cordwood::Client client = cordwood::Client::Connect(argc > 1 ? argv[1] : "localhost:9600").value();
  (void)client.admin().CreateTopic({.name = kRequests, .partitions = 3});
  (void)client.admin().CreateTopic({.name = kReplies});
  std::atomic<bool> stop = false;
  std::thread server(Serve, client, std::cref(stop));

  const std::string run = std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  std::set<std::string> open;
  int before = 0;
  {
    Requester requester(client, "asker", open);
    for (int i = 1; i <= 5; ++i) requester.Ask(run + "-" + std::to_string(i), std::to_string(i));
    requester.Ask(run + "-word", "seven");
    before = requester.Receive(2, Clock::now() + 30s);
  }  // it restarts; three replies are under way
  Requester requester(client, "asker", open);
  const int after = requester.Receive(3, Clock::now() + 30s);
  requester.Receive(1, Clock::now() + 500ms);
  std::cout << before << " replies, " << after << " more after a restart, " << open.size() << " request without a reply in time\n";
  stop = true;
  server.join();
  return 0;
} catch (const cordwood::BadResult& bad) {
  std::cerr << bad.what() << "\n";
  return 1;
}
