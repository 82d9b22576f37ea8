// SPDX-License-Identifier: Apache-2.0
// What the handlers of one network thread count of their work.
#pragma once

#include "storage/base/measures.h"

namespace cordwood::broker {

// The handler's thread writes.
struct ProduceMeasures {
  Counter requests;          // parsed, refused or not
  ReasonCounts errors;       // refused entries, and refused requests of streams
  LatencyHistogram whole;    // from the request to its outcome
  LatencyHistogram answer;   // from the shard's answer until this thread has it
  Gauge appends;             // with the shards
  Gauge unread_bytes;        // of outcomes and answers that clients have not read
  Counter ended_unread;      // calls that were ended since all of these held too much; these two of the door
};

struct FetchMeasures {
  Counter requests;
  ReasonCounts errors;       // refused partitions
  Counter records;           // by which fetch positions moved on
  Counter bytes;             // of batches or encoded records, sent
  Counter ring_hits;         // looks that found batches in the ring
  Counter ring_misses;       // those that had to ask a reader
  Counter reads_dropped;     // unread: their session had ended or moved on
  Counter catchup_held_micros;  // during which the catch-up limit kept somebody waiting
  Gauge catchup_waiting_bytes;  // of reads that it keeps waiting, the next one of each session
  Gauge catchup_limit;       // bytes/s; 0: none
  LatencyHistogram whole;    // unary: from the request to the answer; stream: from when there was something to send and credit for it
  LatencyHistogram read;     // from the question to a reader until this thread has the answer
  Gauge reads;               // with readers and shards
  Gauge sessions;            // open
  Gauge parked;              // partitions of sessions, waiting for news
  Gauge ring_bytes;
  Gauge unwritten_bytes;
  Counter ended_unread;      // calls whose answers went unread while there was too little memory for all
  Gauge partitions_most;     // that one call has had
};

}  // namespace cordwood::broker
