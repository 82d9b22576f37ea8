// SPDX-License-Identifier: Apache-2.0
// Folds records by key.
#include "tests/groups/log_view.h"

#include "storage/base/check.h"

namespace cordwood::broker {
namespace {

template <class T>
T Read(StatusOr<T> decoded) {
  CORDWOOD_CHECK(decoded.ok());
  return *std::move(decoded);
}

}  // namespace

void LogView::Apply(const GroupRecord& record) {
  const GroupRecordKey key = Read(DecodeGroupRecordKey(record.key));
  if (!record.value.has_value()) {
    records_.erase(record.key);
    if (key.kind == GroupRecordKind::kGroup) header_.reset();
    if (key.kind == GroupRecordKind::kOffset) offsets_.erase(key.partition);
    if (key.kind == GroupRecordKind::kMember) members_.erase(key.member);
    if (key.kind == GroupRecordKind::kReplay) replay_.reset();
    return;
  }
  records_[record.key] = *record.value;
  switch (key.kind) {
    case GroupRecordKind::kGroup: header_ = Read(DecodeGroupHeader(*record.value)); break;
    case GroupRecordKind::kOffset: offsets_[key.partition] = Read(DecodeCommittedOffset(*record.value)); break;
    case GroupRecordKind::kMember: members_[key.member].record = Read(DecodeGroupMember(*record.value)); break;
    case GroupRecordKind::kTarget: members_[key.member].target = Read(DecodeMemberTarget(*record.value)); break;
    case GroupRecordKind::kReplay: replay_ = Read(DecodeReplayJob(*record.value)); break;
    case GroupRecordKind::kCurrent: members_[key.member].current = Read(DecodeMemberCurrent(*record.value)); break;
  }
}

bool LogView::Lives(const std::string& member, MemberEpoch joined) const {
  const auto it = members_.find(member);
  return it != members_.end() && it->second.record.joined_epoch == joined;
}

}  // namespace cordwood::broker
