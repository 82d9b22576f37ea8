// SPDX-License-Identifier: Apache-2.0
// Sent once, heard by each thread, given back by the last.
#include "broker/replication/publication.h"

#include <utility>

namespace cordwood::broker {
namespace {

constexpr std::size_t kPlacesKeptMax = 4096;  // for updates, batches and answers

template <class T>
void ClearButKeep(std::vector<T>& places) {
  places.clear();
  if (places.capacity() > kPlacesKeptMax) places.shrink_to_fit();
}

}  // namespace

void GroupNews::AddThread(Outbox& outbox, PublicationListener& listener) {
  Message& message = *messages_.emplace_back(std::make_unique<Message>());
  message.news = this;
  message.outbox = &outbox;
  message.listener = &listener;
}

bool GroupNews::AddAnswer(AppendOp& op) {
  for (const auto& message : messages_) {
    if (message->outbox != op.outbox) continue;
    message->answers.push_back(&op);
    return true;
  }
  return false;
}

void GroupNews::Send(std::unique_ptr<GroupNews> news, std::shared_ptr<GroupNewsPool> pool) {
  GroupNews* const sent = news.release();
  sent->pool_ = std::move(pool);
  sent->not_heard_.store(static_cast<int>(sent->messages_.size()) + 1, std::memory_order_relaxed);
  for (const auto& message : sent->messages_) {
    if (sent->publication.empty() && message->answers.empty()) {
      sent->not_heard_.fetch_sub(1, std::memory_order_relaxed);
    } else {
      message->outbox->Push(message.get());
    }
  }
  sent->Heard();  // until here the list of messages was in use
}

void GroupNews::Message::Run() {
  if (!news->publication.empty()) listener->OnPublication(news->publication);
  for (AppendOp* op : answers) op->Run();
  ClearButKeep(answers);
  news->Heard();
}

// The last one lets go of the batches here, on a thread that may need their buffers.
void GroupNews::Heard() {
  if (not_heard_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  ClearButKeep(publication.updates);
  ClearButKeep(publication.batches);
  const std::shared_ptr<GroupNewsPool> pool = std::move(pool_);
  pool->Give(std::unique_ptr<GroupNews>(this));
}

std::unique_ptr<GroupNews> GroupNewsPool::Take() {
  if (spares_.kept() == 0) CollectBack();
  return spares_.Take();
}

void GroupNewsPool::CollectBack() {
  for (GroupNews* news = back_.TakeAll(); news != nullptr;) {
    std::unique_ptr<GroupNews> spare(std::exchange(news, Mailbox<GroupNews>::Next(news)));
    spares_.Give(std::move(spare));
  }
}

}  // namespace cordwood::broker
