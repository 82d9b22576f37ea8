// SPDX-License-Identifier: Apache-2.0
// What the produce and fetch handlers of all network threads say of themselves.
#pragma once

#include <vector>

#include "broker/handlers/byte_budget.h"
#include "broker/handlers/handler_measures.h"
#include "broker/handlers/reader_pool.h"
#include "broker/metrics/families.h"

namespace cordwood::broker {

void AddProduceFamilies(Families& families, const std::vector<const ProduceMeasures*>& threads);
// The partitions of the fullest call since the start, against fetch.partitions.max.
void AddFetchLimit(Families& families, const std::vector<const FetchMeasures*>& threads, std::int64_t partitions_max);
void AddFetchFamilies(Families& families, const std::vector<const FetchMeasures*>& threads, const ReaderPool& readers);
void AddBudgetFamilies(Families& families, const ByteBudget& budget);

}  // namespace cordwood::broker
