// SPDX-License-Identifier: Apache-2.0
// What the configuration says about consumer groups, as the coordinator and its doors want it.
#pragma once

#include "broker/grpc/groups/group_doors.h"
#include "broker/groups/coordinator/group_driver.h"
#include "broker/groups/lag/lag_driver.h"
#include "broker/metadata/topic_rules.h"
#include "broker/server/config_schema.h"

namespace cordwood::broker {

GroupDriverOptions GroupDriverOptionsOf(const BrokerConfig& config);
GroupDoorsOptions GroupDoorsOptionsOf(const BrokerConfig& config);
LagDriverOptions LagDriverOptionsOf(const BrokerConfig& config);
// __consumer_offsets as it is made.
TopicSpec OffsetsTopicSpec(const BrokerConfig& config);

}  // namespace cordwood::broker
