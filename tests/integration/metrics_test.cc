// SPDX-License-Identifier: Apache-2.0
// /metrics of a real broker: exact values after known work, the rules of the format, and the page that lists the families.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <httplib.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "cordwood/v1/group_admin.grpc.pb.h"
#include "tests/integration/broker_fixture.h"

namespace cordwood::testing {
namespace {

using ::testing::Contains;
using ::testing::Key;
using ::testing::Not;

// A scrape, taken apart.
struct Scrape {
  struct Family {
    std::string type;
    std::string help;
    std::set<std::string> labels;  // of its series, without le
  };
  std::map<std::string, Family> families;
  std::map<std::string, double> values;  // by name and labels, as on the page
  std::vector<std::string> faults;       // lines that belong to no family, or are none

  static std::string FamilyOf(const std::string& series, const std::map<std::string, Family>& families) {
    for (const std::string suffix : {"_bucket", "_sum", "_count"}) {
      if (!series.ends_with(suffix)) continue;
      const auto found = families.find(series.substr(0, series.size() - suffix.size()));
      if (found != families.end() && found->second.type == "histogram") return found->first;
    }
    return series;
  }

  explicit Scrape(const std::string& text) {
    static const std::regex kComment(R"(# (HELP|TYPE) (\S+) (.*))");
    static const std::regex kSeries(R"(([a-z0-9_]+)(\{(.*)\})? (\S+))");
    static const std::regex kLabel(R"re(([a-z]+)="[^"]*",?)re");
    std::istringstream lines(text);
    std::smatch match;
    for (std::string line; std::getline(lines, line);) {
      if (std::regex_match(line, match, kComment)) {
        (match[1] == "HELP" ? families[match[2]].help : families[match[2]].type) = match[3];
        continue;
      }
      if (!std::regex_match(line, match, kSeries)) {
        faults.push_back(line);
        continue;
      }
      const auto family = families.find(FamilyOf(match[1], families));
      if (family == families.end() || !values.emplace(match[1].str() + match[2].str(), std::stod(match[4])).second) {
        faults.push_back(line);
        continue;
      }
      const std::string labels = match[3];
      for (std::sregex_iterator label(labels.begin(), labels.end(), kLabel), end; label != end; ++label) {
        if ((*label)[1] != "le") family->second.labels.insert((*label)[1]);
      }
    }
  }
};

class MetricsTest : public BrokerTest {
 protected:
  MetricsTest() { options_.settings = {"group.lag.interval.ms=100"}; }

  Scrape Metrics() const {
    httplib::Client http("http://" + broker_->http_address());
    const auto answer = http.Get("/metrics");
    EXPECT_TRUE(answer && answer->status == 200);
    return Scrape(answer ? answer->body : "");
  }
  // Makes the group, if there is none.
  void ResetToStart(const std::string& group, const std::string& topic) const {
    v1::ResetOffsetsRequest request;
    request.set_group(group);
    auto& target = *request.add_targets();
    target.set_topic(topic);
    target.set_start(true);
    grpc::ClientContext context;
    v1::ResetOffsetsResponse response;
    const auto channel = grpc::CreateChannel(broker_->address(), grpc::InsecureChannelCredentials());
    ASSERT_TRUE(v1::GroupAdmin::NewStub(channel)->ResetOffsets(&context, request, &response).ok());
  }
  double Value(const std::string& series) const {
    const Scrape scrape = Metrics();
    const auto found = scrape.values.find(series);
    return found == scrape.values.end() ? -1 : found->second;
  }
  void ExpectValues(const std::map<std::string, double>& expected) const {
    const Scrape scrape = Metrics();
    for (const auto& [series, value] : expected) {
      const auto found = scrape.values.find(series);
      EXPECT_EQ(found == scrape.values.end() ? -1 : found->second, value) << series;
    }
  }
};

TEST_F(MetricsTest, RecordsAndBytesAreCountedAsTheyGoInAndOut) {
  CreateTopic("t", 2);
  CreateTopic("u");
  const std::string two = Batch({"a", "b"});
  const std::string three = Batch({"ccc", "d", "e"});
  const std::string one = Batch({"f"});
  ASSERT_EQ(client().ProduceBatches("t", 0, two).status(), absl::OkStatus());
  ASSERT_EQ(client().ProduceBatches("t", 1, three).status(), absl::OkStatus());
  ASSERT_EQ(client().ProduceBatches("u", 0, one).status(), absl::OkStatus());
  ASSERT_EQ(client().Fetch(FetchFrom("t", 0, 0)).status(), absl::OkStatus());
  ASSERT_EQ(client().Fetch(FetchFrom("t", 0, 0)).status(), absl::OkStatus());
  ASSERT_EQ(client().Fetch(FetchFrom("u", 0, 0)).status(), absl::OkStatus());
  const auto bytes = [](std::size_t n) { return static_cast<double>(n); };
  ExpectValues({
      {"cordwood_produce_records_total", 6},
      {"cordwood_produce_bytes_total", bytes(two.size() + three.size() + one.size())},
      {"cordwood_fetch_records_total", 5},
      {"cordwood_fetch_bytes_total", bytes(2 * two.size() + one.size())},
      {"cordwood_topic_produce_records_total{topic=\"t\"}", 5},
      {"cordwood_topic_produce_bytes_total{topic=\"t\"}", bytes(two.size() + three.size())},
      {"cordwood_topic_fetch_records_total{topic=\"t\"}", 4},
      {"cordwood_topic_fetch_bytes_total{topic=\"t\"}", bytes(2 * two.size())},
      {"cordwood_topic_fetch_bytes_total{topic=\"u\"}", bytes(one.size())},
      {"cordwood_topic_partitions{topic=\"t\"}", 2},
      {"cordwood_fetch_ring_hits_total", 3},
      {"cordwood_fetch_ring_misses_total", 0},
      {"cordwood_requests_total{kind=\"produce\"}", 3},
      {"cordwood_requests_total{kind=\"fetch\"}", 3},
      {"cordwood_requests_total{kind=\"create_topic\"}", 2},
      {"cordwood_produce_seconds_count", 3},
      {"cordwood_produce_queue_seconds_count", 3},
      {"cordwood_produce_answer_seconds_count", 3},
      {"cordwood_fetch_seconds_count", 3},
      {"cordwood_topics", 2},
      {"cordwood_partitions", 3},
      {"cordwood_limit_used{limit=\"partitions\"}", 3},
      {"cordwood_connections", 1},
  });
}

TEST_F(MetricsTest, ARetryIsNotWrittenAndCountsNothing) {
  CreateTopic("t");
  const std::string batch = Batch({"a"}, Stamp(client().InitProducer().value(), 0));
  for (int i = 0; i < 2; ++i) ASSERT_EQ(client().ProduceBatches("t", 0, batch).status(), absl::OkStatus());
  ExpectValues({{"cordwood_produce_records_total", 1}, {"cordwood_produce_seconds_count", 2}, {"cordwood_producers", 1}});
}

TEST_F(MetricsTest, AReadFromDiskIsAMissOfTheRing) {
  CreateTopic("t");
  Append("t", {"a", "b"});
  Restart();
  EXPECT_EQ(Values("t", 0, 1), "b");
  ExpectValues({{"cordwood_fetch_ring_misses_total", 1}, {"cordwood_fetch_read_seconds_count", 1}, {"cordwood_fetch_records_total", 1}});
}

TEST_F(MetricsTest, RefusalsAreCountedByKindAndReason) {
  CreateTopic("t");
  v1::ProduceRequest request = RecordsRequest("t", 0, {"v"});
  *request.add_entries() = RecordsRequest("missing", 0, {"x"}).entries(0);
  ASSERT_TRUE(client().Call(&v1::Log::Stub::Produce, request).ok());
  request.set_acks(static_cast<v1::Acks>(9));
  ASSERT_FALSE(client().Call(&v1::Log::Stub::Produce, request).ok());
  for (int i = 0; i < 2; ++i) ASSERT_FALSE(client().Fetch(FetchFrom("t", 0, 100)).ok());
  ASSERT_FALSE(client().Fetch(FetchFrom("missing", 0, 0)).ok());
  ASSERT_FALSE(client().DeleteTopic("missing").ok());
  ExpectValues({
      {"cordwood_errors_total{kind=\"produce\",reason=\"UNKNOWN_TOPIC_OR_PARTITION\"}", 1},
      {"cordwood_errors_total{kind=\"produce\",reason=\"INVALID_REQUIRED_ACKS\"}", 1},
      {"cordwood_errors_total{kind=\"fetch\",reason=\"OFFSET_OUT_OF_RANGE\"}", 2},
      {"cordwood_errors_total{kind=\"fetch\",reason=\"UNKNOWN_TOPIC_OR_PARTITION\"}", 1},
      {"cordwood_errors_total{kind=\"delete_topic\",reason=\"UNKNOWN_TOPIC_OR_PARTITION\"}", 1},
      {"cordwood_requests_total{kind=\"produce\"}", 2},
      {"cordwood_produce_records_total", 1},
  });
}

TEST_F(MetricsTest, AnOpenStreamIsACallAndItsIdlePartitionIsParked) {
  CreateTopic("t");
  {
    FetchStream stream(client());
    v1::FetchRequest request = FetchFrom("t", 0, 0);
    request.set_add_credit_bytes(1000);
    ASSERT_TRUE(stream.Send(request));
    EXPECT_TRUE(WaitUntil([&] { return Value("cordwood_fetch_parked_partitions") == 1; }));
    ExpectValues({{"cordwood_calls_open{method=\"fetch_stream\"}", 1}, {"cordwood_limit_used{limit=\"fetch_stream_calls\"}", 1}, {"cordwood_fetch_sessions", 1}});
  }
  EXPECT_TRUE(WaitUntil([&] { return Value("cordwood_calls_open{method=\"fetch_stream\"}") == 0; }));
  EXPECT_TRUE(WaitUntil([&] { return Value("cordwood_fetch_parked_partitions") == 0; }));
}

TEST_F(MetricsTest, ADeletedTopicVanishesAndTheBrokersSumStays) {
  CreateTopic("t");
  Append("t", {"a"});
  ASSERT_EQ(client().DeleteTopic("t"), absl::OkStatus());
  EXPECT_THAT(Metrics().values, Not(Contains(Key("cordwood_topic_produce_records_total{topic=\"t\"}"))));
  ExpectValues({{"cordwood_produce_records_total", 1}, {"cordwood_topics", 0}});
}

// What promtool check metrics looks at, and more.
TEST_F(MetricsTest, EveryFamilyKeepsTheRulesOfTheFormat) {
  CreateTopic("t");
  Append("t", {"a"});
  const Scrape scrape = Metrics();
  EXPECT_EQ(scrape.faults, std::vector<std::string>());
  const std::regex not_base("_(ms|millis|milliseconds|micros|us|ns|minutes|kb|kib|mb|mib|percent)(_|$)");
  for (const auto& [name, family] : scrape.families) {
    EXPECT_FALSE(family.help.empty()) << name;
    EXPECT_TRUE(name.starts_with("cordwood_") || name.starts_with("process_")) << name;
    EXPECT_EQ(family.type == "counter", name.ends_with("_total")) << name;
    EXPECT_TRUE(family.type != "histogram" || name.ends_with("_seconds")) << name;
    EXPECT_TRUE(family.type == "counter" || family.type == "gauge" || family.type == "histogram") << name;
    EXPECT_FALSE(std::regex_search(name, not_base)) << name;
  }
}

TEST_F(MetricsTest, AGroupsLagIsMeasuredInRecordsAndInTime) {
  CreateTopic("t");
  Append("t", {"a", "b"});
  ResetToStart("g", "t");
  ASSERT_TRUE(WaitUntil([&] { return Value("cordwood_group_lag_records{group=\"g\"}") == 2; }));
  EXPECT_GT(Value("cordwood_group_lag_seconds{group=\"g\"}"), 0);
  ExpectValues({{"cordwood_group_size{group=\"g\"}", 0},
                {"cordwood_group_problems{group=\"g\"}", 1},
                {"cordwood_group_findings{code=\"no_member\"}", 1},
                {"cordwood_group_partition_lag_records{group=\"g\",topic=\"t\",partition=\"0\"}", 2}});
}

TEST_F(MetricsTest, ThePageListsExactlyWhatIsExported) {
  CreateTopic("t");
  ASSERT_FALSE(client().DeleteTopic("missing").ok());  // some error
  Append("t", {"a"});
  ResetToStart("g", "t");
  ASSERT_TRUE(WaitUntil([&] { return Value("cordwood_group_partition_lag_seconds{group=\"g\",topic=\"t\",partition=\"0\"}") >= 0; }));
  std::ifstream file(CORDWOOD_SOURCE_DIR "/docs/reference/metrics.md");
  const std::regex row(R"(\| `(\w+)` \| (\w+) \| ([^|]*) \| (\w+) \| ([^|]*) \|)");
  std::set<std::string> listed;
  std::smatch match;
  for (std::string line; std::getline(file, line);) {
    if (!std::regex_match(line, match, row)) continue;
    listed.insert(match[1].str() + " " + match[2].str() + " [" + match[3].str() + "] " + match[5].str());
  }
  std::set<std::string> exported;
  for (const auto& [name, family] : Metrics().families) {
    std::string labels;
    for (const std::string& label : family.labels) labels += (labels.empty() ? "`" : ", `") + label + "`";
    exported.insert(name + " " + family.type + " [" + labels + "] " + family.help);
  }
  EXPECT_THAT(listed, ::testing::ContainerEq(exported));
}

}  // namespace
}  // namespace cordwood::testing
