// SPDX-License-Identifier: Apache-2.0
// The small language of MetadataStore's contract tests: write, read, watch, each as text.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/metadata/metadata_store.h"
#include "storage/base/mutex.h"

namespace cordwood::broker {

// `Harness` is default-constructible and has
//   MetadataStore& store();
//   void CrashAndReopen();              // every watch is gone; the store is a new object over the same truth
//   void PassTime(absl::Duration by);   // returns when leases that ended by then have ended
template <class Harness>
class MetadataStoreContract : public ::testing::Test {
 protected:
  MetadataStore& store() { return harness_.store(); }

  static MetadataWrite Put(std::string key, std::string value, LeaseId lease = 0) {
    return MetadataWrite{MetadataWrite::Kind::kPut, std::move(key), std::move(value), lease};
  }
  static MetadataWrite Delete(std::string key) { return MetadataWrite{MetadataWrite::Kind::kDelete, std::move(key), "", 0}; }
  static MetadataWrite DeleteRange(std::string begin, std::string end) {
    return MetadataWrite{MetadataWrite::Kind::kDeleteRange, std::move(begin), std::move(end), 0};
  }
  Revision Write(const std::vector<MetadataWrite>& writes) {
    const auto result = store().Transact({}, writes);
    EXPECT_EQ(result.status(), absl::OkStatus());
    return result.ok() && result->succeeded ? result->revision : -1;
  }
  bool WriteIf(const MetadataCompare& compare, const MetadataWrite& write) {
    const auto result = store().Transact({compare}, {write});
    EXPECT_EQ(result.status(), absl::OkStatus());
    return result.ok() && result->succeeded;
  }
  // "a=1 b=2", in the order of the store.
  std::string Read(const std::string& begin, const std::string& end = "") {
    std::string text;
    const auto found = store().Range(begin, end);
    EXPECT_EQ(found.status(), absl::OkStatus());
    if (!found.ok()) return "failed";
    for (const MetadataEntry& entry : found->entries) text += (text.empty() ? "" : " ") + entry.key + "=" + entry.value;
    return text;
  }
  MetadataEntry Entry(const std::string& key) {
    const auto found = store().Range(key, "");
    return found.ok() && !found->entries.empty() ? found->entries.front() : MetadataEntry{};
  }

  // What a watch has brought: "a=1@5 -b@6".
  struct Seen {
    void Add(const StatusOr<std::vector<WatchEvent>>& events) {
      MutexLock lock(mu);
      if (!events.ok()) error = events.status();
      if (!events.ok()) return;
      for (const WatchEvent& event : *events) {
        const std::string at = "@" + std::to_string(event.entry.mod_revision);
        text += (text.empty() ? "" : " ") + (event.deleted ? "-" + event.entry.key : event.entry.key + "=" + event.entry.value) + at;
      }
      changed.SignalAll();
    }
    // Waits until as many events have come as `expected` has.
    std::string Await(const std::string& expected) {
      MutexLock lock(mu);
      while (text.size() < expected.size() && changed.WaitFor(mu, std::chrono::seconds(5))) {
      }
      return text;
    }
    Mutex mu;
    CondVar changed;
    std::string text;
    Status error;
  };
  std::unique_ptr<MetadataWatch> Watch(const std::shared_ptr<Seen>& seen, const std::string& begin, const std::string& end, Revision from) {
    auto watch = store().Watch(begin, end, from, [seen](StatusOr<std::vector<WatchEvent>> events, Revision) { seen->Add(events); });
    EXPECT_EQ(watch.status(), absl::OkStatus());
    return watch.ok() ? *std::move(watch) : nullptr;
  }
  static std::string At(Revision revision) { return "@" + std::to_string(revision); }

  Harness harness_;
};

}  // namespace cordwood::broker
