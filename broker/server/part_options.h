// SPDX-License-Identifier: Apache-2.0
// What the configuration says, as each part of the broker wants it.
#pragma once

#include "broker/grpc/control/control_calls.h"
#include "broker/grpc/groups/group_doors.h"
#include "broker/grpc/network_thread.h"
#include "broker/groups/coordinator/group_driver.h"
#include "broker/groups/lag/lag_driver.h"
#include "broker/metadata/topic_rules.h"
#include "broker/replication/upkeep/cleaner_driver.h"
#include "broker/server/config/config_schema.h"

namespace cordwood::broker {

NetworkOptions NetworkOptionsOf(const BrokerConfig& config);
ControlOptions ControlOptionsOf(const BrokerConfig& config);
CleanerOptions CleanerOptionsOf(const BrokerConfig& config);
GroupDriverOptions GroupDriverOptionsOf(const BrokerConfig& config);
GroupDoorsOptions GroupDoorsOptionsOf(const BrokerConfig& config);
LagDriverOptions LagDriverOptionsOf(const BrokerConfig& config);
// __consumer_offsets as it is made.
TopicSpec OffsetsTopicSpec(const BrokerConfig& config);

}  // namespace cordwood::broker
