// SPDX-License-Identifier: Apache-2.0
// One system call behind a thread's name.
#include "storage/base/thread_name.h"

#include <pthread.h>

#include <string>

namespace cordwood {

void SetThreadName(std::string_view name) {
  pthread_setname_np(pthread_self(), std::string(name.substr(0, 15)).c_str());
}

}  // namespace cordwood
