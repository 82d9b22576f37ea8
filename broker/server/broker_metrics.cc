// SPDX-License-Identifier: Apache-2.0
// A source a part; nothing is decided here.
#include "broker/server/broker_metrics.h"

#include "broker/grpc/network_families.h"
#include "broker/groups/lag/lag_driver.h"
#include "broker/metrics/group_families.h"
#include "broker/metrics/handler_families.h"
#include "broker/metrics/lag_families.h"
#include "broker/metrics/process_families.h"
#include "broker/metrics/shard_families.h"
#include "broker/server/version.h"

namespace cordwood::broker {

void AddMetrics(MetricsPage& page, const BrokerConfig& config, const MeasuredParts& parts) {
  page.Add([](Families& families) { AddBuild(families, kVersion); });
  page.AddWithLimits([topics = std::make_shared<TopicFamilies>(parts.image, parts.partitions),
            limits = TopicFamilies::Limits{config.topics_max, config.partitions_max, config.producers_max}](Families& families) {
    topics->AddTo(families, limits);
  });
  page.Add([shards = parts.shards](Families& families) { AddShardFamilies(families, shards); });
  page.Add([&cleaner = parts.cleaner](Families& families) { AddCleanerFamilies(families, cleaner); });
  std::vector<const ProduceMeasures*> produce;
  std::vector<const FetchMeasures*> fetch;
  for (const auto& doors : parts.doors) {
    produce.push_back(&doors->produce_measures());
    fetch.push_back(&doors->fetch_measures());
  }
  page.Add([produce](Families& families) { AddProduceFamilies(families, produce); });
  page.Add([fetch, &readers = parts.readers](Families& families) { AddFetchFamilies(families, fetch, readers); });
  page.Add([&budget = parts.budget](Families& families) { AddBudgetFamilies(families, budget); });
  page.AddWithLimits([fetch, max = config.fetch_partitions_max](Families& families) { AddFetchLimit(families, fetch, max); });
  page.AddWithLimits([&network = parts.network, &grpc = parts.grpc, &control = parts.control](Families& families) {
    AddNetworkFamilies(families, network);
    AddControlFamilies(families, control);
    AddConnectionFamilies(families, grpc.connections());
  });
  page.Add([data_dir = config.data_dir, level = parts.disk_level](Families& families) { AddDiskFamilies(families, data_dir, level()); });
  page.Add([&groups = parts.groups](Families& families) { AddGroupFamilies(families, groups); });
  page.Add([&lag = parts.lag](Families& families) { AddLagFamilies(families, *lag.round()); });
  page.AddWithLimits(AddProcessFamilies);
}

}  // namespace cordwood::broker
