// SPDX-License-Identifier: Apache-2.0
// A work queue: several workers are one group, so each job has one receiver, and what a worker had that went away is done by the others.
#include <cordwood/client.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr char kTopic[] = "jobs";
constexpr int kWorkers = 3;
constexpr int kJobs = 200;

struct Done {
  std::mutex mu;
  std::multiset<std::string> jobs;
  std::size_t count() {
    std::lock_guard lock(mu);
    return jobs.size();
  }
};

void Work(cordwood::Client client, Done& done, std::atomic<int>& ready, const std::atomic<bool>& stop) {
  bool counted = false;
  cordwood::Consumer consumer = client
                                    .NewConsumer({.group = {.id = "workers",
                                                            .reset = cordwood::GroupReset::Earliest(),
                                                            .auto_commit_interval = 0ms,
                                                            .on_assigned = [&](cordwood::Consumer&, const auto&) { ready += !std::exchange(counted, true); }}})
                                    .value();
  consumer.Subscribe({kTopic}).value();
  while (!stop) {
    for (const cordwood::ConsumerRecord& job : consumer.Poll(100ms).value()) {
      {
        std::lock_guard lock(done.mu);
        done.jobs.emplace(job.value());  // the work
      }
      consumer.Mark(job);  // the next Poll() would say so of all that the last one gave; but it may be that none follows
    }
  }
  consumer.Close(5s).value();  // commits what is marked, and hands the partitions on
}

}  // namespace

int main(int argc, char** argv) try {
  cordwood::Client client = cordwood::Client::Connect(argc > 1 ? argv[1] : "localhost:9600").value();
  (void)client.admin().CreateTopic({.name = kTopic, .partitions = 6});
  Done done;
  std::atomic<int> ready = 0;
  std::atomic<bool> stop = false;
  std::vector<std::thread> workers;
  for (int i = 0; i < kWorkers; ++i) workers.emplace_back(Work, client, std::ref(done), std::ref(ready), std::cref(stop));
  while (ready < kWorkers) std::this_thread::sleep_for(10ms);

  cordwood::Producer producer = client.NewProducer().value();
  for (int i = 0; i < kJobs; ++i) producer.Send(kTopic, {.key = std::to_string(i), .value = "job " + std::to_string(i)}, [](const auto&) {});
  producer.Flush(30s).value();
  while (done.count() < kJobs) std::this_thread::sleep_for(10ms);
  stop = true;
  for (std::thread& worker : workers) worker.join();

  const std::set<std::string> once(done.jobs.begin(), done.jobs.end());
  std::cout << once.size() << " jobs by " << kWorkers << " workers, " << done.jobs.size() - once.size() << " done twice\n";
  return 0;
} catch (const cordwood::BadResult& bad) {
  std::cerr << bad.what() << "\n";
  return 1;
}
