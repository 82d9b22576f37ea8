// SPDX-License-Identifier: Apache-2.0
// RocksDB tells a filter the file of a record but not the place in it: that follows from the sizes of the records before it.
#include "storage/rocksdb/log_survey.h"

#include <utility>

#include "rocksdb/env.h"
#include "rocksdb/write_batch.h"
#include "storage/log/log_fragments.h"
#include "storage/log/sequence_gate.h"

namespace cordwood {
namespace {

// The number in its name decides; longer names have larger ones.
bool IsLaterLog(const std::string& name, const std::string& than) {
  return name.ends_with(".log") && std::pair(name.size(), name) > std::pair(than.size(), than);
}

// The first place from `byte` of `file` on at which something stands, in this file or a later one.
std::optional<LogCut> FirstBytesFrom(const std::string& file, std::uint64_t byte, rocksdb::Env& env, const std::string& directory) {
  std::uint64_t size = 0;
  if (env.GetFileSize(directory + "/" + file, &size).ok() && size > byte) return LogCut{file, byte};
  std::vector<std::string> names;
  std::optional<LogCut> first;
  if (!env.GetChildren(directory, &names).ok()) return first;
  for (const std::string& name : names) {
    if (!IsLaterLog(name, file) || (first.has_value() && IsLaterLog(name, first->file))) continue;
    if (env.GetFileSize(directory + "/" + name, &size).ok() && size > 0) first = LogCut{name, 0};
  }
  return first;
}

}  // namespace

rocksdb::WalFilter::WalProcessingOption LogSurvey::LogRecordFound(unsigned long long, const std::string& path, const rocksdb::WriteBatch& batch,
                                                                  rocksdb::WriteBatch*, bool*) {
  const std::uint64_t sequence = SequenceOfWriteBatch(batch.Data());
  const std::uint64_t operations = batch.Count();
  const std::string file = path.substr(path.rfind('/') + 1);
  const std::uint64_t begin = !runs_.empty() && runs_.back().file == file ? runs_.back().end_byte : 0;
  if (runs_.empty() || runs_.back().first + runs_.back().operations != sequence) runs_.push_back({sequence, 0, "", 0});
  Run& run = runs_.back();
  run.operations += operations;
  run.file = file;
  run.end_byte = EndOfLogRecord(begin, batch.Data().size());
  return WalProcessingOption::kIgnoreCurrentRecord;
}

LogSurvey::Belief LogSurvey::BeliefFrom(std::uint64_t flushed, rocksdb::Env& env, const std::string& directory) const {
  SequenceGate gate(flushed);
  std::size_t believed = 0;
  while (believed < runs_.size() && gate.Admit(runs_[believed].first, runs_[believed].operations)) ++believed;
  Belief belief;
  belief.last_sequence = gate.last();
  if (gate.stopped()) {
    belief.cut = believed == 0 ? LogCut{runs_[0].file} : LogCut{runs_[believed - 1].file, runs_[believed - 1].end_byte};
    belief.cut->next_sequence = runs_[believed].first;
  } else if (!runs_.empty()) {
    belief.cut = FirstBytesFrom(runs_.back().file, runs_.back().end_byte, env, directory);
  }
  if (belief.cut.has_value()) belief.cut->last_sequence = belief.last_sequence;
  return belief;
}

}  // namespace cordwood
