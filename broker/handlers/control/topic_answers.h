// SPDX-License-Identifier: Apache-2.0
// Topics and configurations as the control plane shows them.
#pragma once

#include "broker/metadata/cluster_image.h"
#include "broker/replication/partition_table.h"
#include "cordwood/v1/admin.pb.h"

namespace cordwood::broker {

// Every topic key, in order, with its source.
void FillTopicConfigs(const TopicImage& topic, google::protobuf::RepeatedPtrField<cordwood::v1::ConfigEntry>& configs);

// With exact ends: opens what is not open since a crash. Blocks.
void FillTopicDescription(const TopicImage& topic, const PartitionTable& table, cordwood::v1::TopicDescription& description);

}  // namespace cordwood::broker
