// SPDX-License-Identifier: Apache-2.0
// Composition. Nothing here is on the way of a record.
#include "broker/server/broker.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/grpc/control/admin_methods.h"
#include "broker/grpc/control/group_admin_methods.h"
#include "broker/grpc/control/health_methods.h"
#include "broker/grpc/control/listed_service.h"
#include "broker/grpc/control/log_methods.h"
#include "broker/grpc/control/scaler_methods.h"
#include "broker/grpc/grpc_server.h"
#include "broker/grpc/log_doors.h"
#include "broker/grpc/log_wire.h"
#include "broker/handlers/control/admin_handler.h"
#include "broker/handlers/control/cluster_handler.h"
#include "broker/handlers/control/offsets_handler.h"
#include "broker/http/http_server.h"
#include "broker/metadata/local_metadata_store.h"
#include "broker/metrics/limit_watch.h"
#include "broker/replication/partition_reconciler.h"
#include "broker/replication/retention_driver.h"
#include "broker/replication/upkeep/cleaner_driver.h"
#include "broker/server/broker_metrics.h"
#include "broker/server/event_log.h"
#include "broker/server/part_options.h"
#include "broker/server/memory_trim.h"
#include "broker/server/port_file.h"
#include "broker/server/process_setup.h"
#include "broker/server/shard_opening.h"
#include "broker/server/version.h"
#include "storage/base/mutex.h"

namespace cordwood::broker {
namespace {

constexpr absl::Duration kProbePatience = absl::Seconds(1);
constexpr absl::Duration kUpkeepInterval = absl::Seconds(5);  // at limits, which costs what a part of a scrape does, and at memory

std::vector<cordwood::v1::ConfigEntry> ConfigEntriesOf(const LoadedConfig& loaded) {
  std::vector<cordwood::v1::ConfigEntry> entries;
  for (const ConfigSetting& setting : loaded.effective) {
    cordwood::v1::ConfigEntry& entry = entries.emplace_back();
    entry.set_key(setting.key);
    entry.set_value(setting.value);
    entry.set_source(setting.origin == "default" ? cordwood::v1::ConfigEntry::DEFAULT : cordwood::v1::ConfigEntry::BROKER);
    entry.set_documentation(std::string(FindConfigKey(setting.key)->documentation));
  }
  return entries;
}

// What clients are told to connect to.
BrokerImage SelfOf(const BrokerConfig& config, const HostPort& listening) {
  HostPort advertised = ParseHostPort(config.advertised_listeners).value_or(listening);
  if (advertised.host == "0.0.0.0" || advertised.host == "::") {
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    advertised.host = name;
  }
  if (advertised.port == 0) advertised.port = listening.port;
  BrokerImage self;
  self.id = BrokerId(static_cast<std::int32_t>(config.broker_id));
  self.host = advertised.host;
  self.port = advertised.port;
  self.rack = config.broker_rack;
  return self;
}

}  // namespace

// In order of construction; destroyed in reverse.
struct Broker::Parts {
  explicit Parts(const BrokerConfig& config)
      : budget(config.request_budget_bytes),
        network(NetworkOptionsOf(config), budget, clock),
        readers(static_cast<int>(config.io_threads), EncodeRecords) {}

  Clock& clock = Clock::System();
  HealthChecks health;
  std::optional<ReservedPort> reserved;  // until gRPC listens
  MetricsPage metrics;
  HttpServer http{health, [this] { return metrics.Text(); }};

  std::optional<DataDir> data_dir;
  Mutex metadata_mu;
  Status metadata_failed ABSL_GUARDED_BY(metadata_mu);  // why topics cannot be changed any more
  std::unique_ptr<MetadataStore> metadata;  // until the strand has it
  std::vector<std::unique_ptr<ShardDriver>> shards;  // the strand's while it is there: it adds that of compacted topics
  ShardList shard_list{std::vector<ShardDriver*>()};                          // the same, for everybody
  PartitionTable partitions;

  ByteBudget budget;
  NetworkThreads network;
  ReaderPool readers;
  std::unique_ptr<PartitionReconciler> reconciler;
  std::unique_ptr<MetadataStrand> strand;
  std::unique_ptr<RetentionDriver> retention;
  std::unique_ptr<CleanerDriver> cleaner;
  std::vector<std::unique_ptr<LogDoors>> doors;  // one per network thread
  std::unique_ptr<GroupDriver> groups;
  std::vector<std::unique_ptr<GroupDoors>> group_doors;  // one per network thread

  std::unique_ptr<OffsetsHandler> offsets;
  std::unique_ptr<LagDriver> lag;
  std::unique_ptr<AdminHandler> admin;
  std::unique_ptr<GroupAdminHandler> group_admin;
  std::unique_ptr<ScalerHandler> scaler;
  std::unique_ptr<ClusterHandler> cluster;
  std::unique_ptr<ControlCalls> control;
  std::unique_ptr<GrpcServer> grpc;

  // What LogChanges() has said.
  DiskLevel logged_disk_level = DiskLevel::kNormal;
  std::vector<bool> logged_poison;
  LimitWatch limits;
  MemoryTrim trim;
  absl::Duration next_upkeep;  // monotonic
};

Broker::Broker(const LoadedConfig& loaded) : loaded_(loaded), config_(loaded_.config), parts_(std::make_unique<Parts>(config_)) {}

Broker::~Broker() { (void)Stop(absl::ZeroDuration()); }

StatusOr<std::unique_ptr<Broker>> Broker::Start(const LoadedConfig& loaded) {
  std::unique_ptr<Broker> broker(new Broker(loaded));
  CORDWOOD_RETURN_IF_ERROR(broker->ReserveAddresses());
  CORDWOOD_RETURN_IF_ERROR(broker->OpenStorage());
  CORDWOOD_RETURN_IF_ERROR(broker->StartMetadata());
  CORDWOOD_RETURN_IF_ERROR(broker->StartServing());
  return broker;
}

Status Broker::ReserveAddresses() {
  const auto listen = ParseHostPort(config_.listeners);
  const auto http = ParseHostPort(config_.http_listen);
  if (!listen.has_value() || !http.has_value()) return Error(Reason::kInvalidConfig, "listeners and http.listen must be HOST:PORT");
  CORDWOOD_ASSIGN_OR_RETURN(ReservedPort reserved, ReservedPort::Take(*listen));
  grpc_address_ = reserved.address();
  parts_->reserved.emplace(std::move(reserved));
  CORDWOOD_RETURN_IF_ERROR(parts_->http.Bind(http->host, http->port));
  http_address_ = {http->host, parts_->http.port()};
  return absl::OkStatus();
}

Status Broker::OpenStorage() {
  Parts& p = *parts_;
  CORDWOOD_ASSIGN_OR_RETURN(DataDir data_dir, DataDir::Open(config_.data_dir));
  p.data_dir.emplace(std::move(data_dir));
  LocalMetadataOptions metadata;
  metadata.must_exist = p.data_dir->in_use();
  metadata.on_failure = [&p](const Status& failed) {
    LogEvent(EventLevel::kError, MessageOf(failed));
    MutexLock lock(p.metadata_mu);
    p.metadata_failed = failed;
  };
  // Before the shards: where it is refused, none of them has been recovered, which raises an epoch floor.
  CORDWOOD_ASSIGN_OR_RETURN(p.metadata, LocalMetadataStore::Open(p.data_dir->MetadataPath(), metadata));
  CORDWOOD_ASSIGN_OR_RETURN(p.shards, OpenShards(*p.data_dir, config_, p.clock));
  LogDoorsOptions options;
  options.produce.disk_level = [&p] { return p.retention->LookAtDisk(); };
  options.fetch.warn = [](std::string_view text) { LogEvent(EventLevel::kError, text); };
  options.fetch.ring_bytes = static_cast<std::size_t>(config_.tail_ring_bytes);
  // Each thread sees all that is produced, and counts for itself: it has its share of the limit.
  options.fetch.catchup_bytes_per_second = config_.catchup_bytes_per_second == 0 ? 0 : std::max<std::int64_t>(config_.catchup_bytes_per_second / p.network.size(), 1);
  options.fetch.catchup_threads = p.network.size();
  options.request_bytes_max = static_cast<std::size_t>(config_.request_bytes_max);
  options.fetch.partitions_max = static_cast<std::size_t>(config_.fetch_partitions_max);
  options.fetch_calls_max = static_cast<int>(config_.fetch_calls_max);
  options.produce_calls_max = static_cast<int>(config_.produce_calls_max);
  for (int i = 0; i < p.network.size(); ++i) {
    p.doors.push_back(std::make_unique<LogDoors>(p.network.at(i), p.partitions, p.readers, options));
  }
  for (const auto& shard : p.shards) {
    Introduce(*shard);
    p.shard_list.Add(shard.get());
  }
  p.groups = std::make_unique<GroupDriver>(GroupDriverOptionsOf(config_), p.partitions,
                                           [this](std::function<void(Status)> made) { parts_->strand->EnsureTopic(OffsetsTopicSpec(config_), std::move(made)); },
                                           p.clock);
  for (int i = 0; i < p.network.size(); ++i) p.group_doors.push_back(std::make_unique<GroupDoors>(p.network.at(i), *p.groups, GroupDoorsOptionsOf(config_)));
  p.reconciler = std::make_unique<PartitionReconciler>(p.shard_list, p.partitions, p.clock, [this] { return AddCompactShard(); });
  CORDWOOD_RETURN_IF_ERROR(p.reconciler->Load());
  for (const auto& shard : p.shards) shard->Start();
  return absl::OkStatus();
}

void Broker::Introduce(ShardDriver& shard) {
  Parts& p = *parts_;
  for (int i = 0; i < p.network.size(); ++i) {
    shard.AddNetworkThread(&p.network.at(i).outbox(), &p.doors[static_cast<std::size_t>(i)]->publications());
  }
}

// On the strand, while everything runs.
StatusOr<ShardDriver*> Broker::AddCompactShard() {
  Parts& p = *parts_;
  CORDWOOD_ASSIGN_OR_RETURN(std::unique_ptr<ShardDriver> made, MakeCompactShard(*p.data_dir, config_, p.clock));
  ShardDriver* const shard = p.shards.emplace_back(std::move(made)).get();
  Introduce(*shard);
  shard->Start();
  p.shard_list.Add(shard);
  return shard;
}

Status Broker::StartMetadata() {
  Parts& p = *parts_;
  p.groups->Start();
  CORDWOOD_RETURN_IF_ERROR(p.data_dir->NoteParts(static_cast<int>(p.shards.size())));
  MetadataLimits limits;
  limits.topics_max = static_cast<std::int32_t>(config_.topics_max);
  limits.partitions_max = static_cast<std::int32_t>(config_.partitions_max);
  std::vector<MetadataStrand::ImageListener> listeners;
  listeners.push_back([&p](const ClusterImagePtr& before, const ClusterImagePtr& after) { return p.reconciler->OnImage(before, after); });
  listeners.push_back([&p](const ClusterImagePtr&, const ClusterImagePtr& after) {
    for (const auto& doors : p.doors) doors->SetImage(after);
    for (const auto& doors : p.group_doors) doors->SetImage(after);
    p.groups->OnImage(after);
    return absl::OkStatus();
  });
  CORDWOOD_ASSIGN_OR_RETURN(p.strand, MetadataStrand::Start(std::move(p.metadata), SelfOf(config_, grpc_address_), limits, std::move(listeners), p.clock));
  if (const std::size_t unknown = p.reconciler->unknown_partitions(); unknown > 0) {
    LogEvent(EventLevel::kWarning, std::to_string(unknown) + " partition logs belong to topics that the metadata does not know; they are kept and not served");
  }
  RetentionOptions options;
  options.data_dir = config_.data_dir;
  options.ladder = DiskLadderOf(config_);
  p.retention = std::make_unique<RetentionDriver>(p.shard_list, p.partitions, [&p] { return p.strand->image(); }, options, p.clock);
  p.retention->Start();
  CleanerOptions cleaner_options = CleanerOptionsOf(config_);
  cleaner_options.disk_level = [&p] { return p.retention->disk_level(); };
  p.cleaner = std::make_unique<CleanerDriver>(p.partitions, [&p] { return p.strand->image(); }, cleaner_options, p.clock);
  if (config_.cleaner) p.cleaner->Start();
  p.strand->SetGrowthGate([&p] { return p.retention->CheckGrowth(); });
  return absl::OkStatus();
}

Status Broker::StartServing() {
  Parts& p = *parts_;
  p.offsets = std::make_unique<OffsetsHandler>([&p] { return p.strand->image(); }, p.partitions);
  p.admin = std::make_unique<AdminHandler>(*p.strand, p.partitions, static_cast<std::int32_t>(config_.default_partitions));
  p.lag = std::make_unique<LagDriver>(*p.groups, p.partitions, LagDriverOptionsOf(config_), p.clock);
  p.group_admin = std::make_unique<GroupAdminHandler>(*p.groups, *p.lag, [&p] { return p.strand->image(); }, p.partitions,
                                                      BrokerId(static_cast<std::int32_t>(config_.broker_id)));
  p.scaler = std::make_unique<ScalerHandler>(*p.lag);
  BrokerFacts facts;
  facts.id = BrokerId(static_cast<std::int32_t>(config_.broker_id));
  facts.version = kVersion;
  facts.started_ms = p.clock.WallMs();
  facts.data_dir = config_.data_dir;
  facts.configs = ConfigEntriesOf(loaded_);
  p.cluster = std::make_unique<ClusterHandler>(*p.strand, p.partitions, p.shard_list, [&p] { return p.retention->disk_level(); },
                                               [this] { return draining_.load(); }, std::move(facts));
  AddHealthChecks();
  p.control = std::make_unique<ControlCalls>(p.network, ControlOptionsOf(config_));
  AddLogMethods(*p.control, *p.offsets, *p.cluster);
  AddAdminMethods(*p.control, *p.admin, *p.cluster);
  AddHealthCheck(*p.control, p.health);
  AddHealthWatch(p.network, p.health);
  AddGroupAdminMethods(*p.control, *p.group_admin);
  AddScalerMethods(*p.control, *p.scaler);
  AddScalerStream(p.network, *p.scaler);
  std::vector<std::unique_ptr<grpc::Service>> services;
  for (const char* name : {"cordwood.v1.Log", "cordwood.v1.Admin", "cordwood.v1.Groups", "cordwood.v1.GroupAdmin", "externalscaler.ExternalScaler", "grpc.health.v1.Health"}) {
    services.push_back(MakeListedService(name));
  }
  p.grpc = std::make_unique<GrpcServer>(std::move(services));
  GrpcServerOptions options;
  options.host = grpc_address_.host;
  options.port = grpc_address_.port;
  options.channelz = config_.channelz;
  // Beside the budget. Twice as much, so that a burst of large requests waits for the budget and is not reset.
  options.receive_bytes_max = 2 * static_cast<std::size_t>(config_.request_budget_bytes);
  options.connection_calls_max = static_cast<int>(config_.connection_calls_max);
  options.connections = {ConnectionsAllowed(config_.connections_max), config_.connections_per_ip_max};
  const Status listening = p.grpc->Start(options, p.network);
  if (!listening.ok()) {
    p.grpc.reset();
    return listening;
  }
  p.reserved.reset();
  p.readers.Start();
  p.control->Start();
  p.network.Start();
  serving_ = true;
  AddMetrics(p.metrics, config_,
             {p.shard_list, p.partitions, [&p] { return p.strand->image(); }, p.doors, p.readers, p.budget, p.network, *p.grpc, *p.control,
              [&p] { return p.retention->disk_level(); }, p.groups->measures(), p.cleaner->measures(), *p.lag});
  p.lag->Start();
  p.http.Start();
  return absl::OkStatus();
}

void Broker::AddHealthChecks() {
  Parts& p = *parts_;
  p.health.AddLive("ping", [] { return absl::OkStatus(); });
  p.health.AddLive("network", [this] { return CheckNetwork(); });
  p.health.AddReady("startup", [this] { return serving_ ? absl::OkStatus() : Error(Reason::kShuttingDown, "not serving yet"); });
  p.health.AddReady("shutdown", [this] { return draining_ ? Error(Reason::kShuttingDown, "the broker is stopping") : absl::OkStatus(); });
  p.health.AddReady("metadata", [&p] {
    MutexLock lock(p.metadata_mu);
    return p.metadata_failed;
  });
  for (const ShardDriver* shard : p.shard_list.All()) {
    p.health.AddReady(ShardLabel(shard->id()), [store = &shard->store()] { return store->poisoned() ? store->poison_status() : absl::OkStatus(); });
  }
  // The shard of compacted topics, where it joins later.
  p.health.AddReady("later shards", [&p, known = p.shard_list.All().size()] {
    const std::vector<ShardDriver*> shards = p.shard_list.All();
    for (std::size_t i = known; i < shards.size(); ++i) {
      if (shards[i]->store().poisoned()) return shards[i]->store().poison_status();
    }
    return absl::OkStatus();
  });
}

// Each network thread must come round within the patience. After Drain() has begun they are busy with ending, which is no illness.
Status Broker::CheckNetwork() const {
  struct Echo {
    Mutex mu;
    CondVar arrived;
    int missing ABSL_GUARDED_BY(mu) = 0;
  };
  if (!serving_ || draining_) return absl::OkStatus();
  const auto echo = std::make_shared<Echo>();
  const absl::Duration give_up = parts_->clock.Monotonic() + kProbePatience;
  MutexLock lock(echo->mu);
  echo->missing = parts_->network.size();
  for (int i = 0; i < parts_->network.size(); ++i) {
    parts_->network.at(i).Run([echo] {
      MutexLock inner(echo->mu);
      --echo->missing;
      echo->arrived.Signal();
    });
  }
  while (echo->missing > 0) {
    const absl::Duration left = give_up - parts_->clock.Monotonic();
    if (left <= absl::ZeroDuration()) return Error(Reason::kRequestTimedOut, std::to_string(echo->missing) + " network threads did not answer within 1 s");
    echo->arrived.WaitFor(echo->mu, absl::ToChronoNanoseconds(left));
  }
  return absl::OkStatus();
}

Status Broker::Stop(absl::Duration timeout) {
  if (std::exchange(stopped_, true)) return absl::OkStatus();
  Parts& p = *parts_;
  draining_ = true;
  if (p.grpc != nullptr) {
    p.grpc->StopListening();
    if (!p.network.Drain(timeout / 2)) LogEvent(EventLevel::kWarning, "some calls did not end in time and are cut");
    p.groups->Stop();  // answers those who wait for a group's members
    p.grpc->Shutdown(timeout / 10);
  }
  p.metrics.Close();  // its sources go now
  if (p.control != nullptr) p.control->Stop();  // what is running still asks the strand and the shards
  if (p.cleaner != nullptr) p.cleaner->Stop();
  if (p.retention != nullptr) p.retention->Stop();
  if (p.lag != nullptr) p.lag->Stop();
  if (p.groups != nullptr) p.groups->Stop();  // may still ask the strand
  p.strand.reset();  // nobody asks for its image any more, and it must not push another to the doors
  p.readers.Stop();
  Status outcome;
  for (const auto& shard : p.shards) outcome.Update(Annotate(shard->Stop(), ShardLabel(shard->id())));
  p.network.Stop();
  for (int i = 0; i < p.network.size(); ++i) p.network.at(i).outbox().Drain();  // of threads that never ran: the start failed
  p.http.Stop();
  return outcome;
}

void Broker::LogChanges() {
  Parts& p = *parts_;
  if (const DiskLevel level = p.retention->disk_level(); level != p.logged_disk_level) {
    p.logged_disk_level = level;
    LogEvent(level == DiskLevel::kNormal ? EventLevel::kNote : EventLevel::kWarning, DescribeDisk(level, config_.data_dir));
  }
  const std::vector<ShardDriver*> shards = p.shard_list.All();
  p.logged_poison.resize(shards.size());
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const ShardStore& store = shards[i]->store();
    if (p.logged_poison[i] || !store.poisoned()) continue;
    p.logged_poison[i] = true;
    LogEvent(EventLevel::kError, MessageOf(store.poison_status()));
  }
  if (p.clock.Monotonic() < p.next_upkeep) return;
  p.next_upkeep = p.clock.Monotonic() + kUpkeepInterval;
  for (const std::string& line : p.limits.Look(p.metrics.Limits())) LogEvent(EventLevel::kWarning, line);
  if (p.trim.IsDue(FreedByCalls(p.network, *p.control))) malloc_trim(0);
}

}  // namespace cordwood::broker
