// SPDX-License-Identifier: Apache-2.0
// SIGINT and SIGTERM as a question that loops ask.
#pragma once

namespace cordwood::client {

// From now on SIGINT and SIGTERM only set the flag, a second one ends the process as it would have; SIGPIPE is ignored.
void CatchInterrupts();
bool Interrupted();

}  // namespace cordwood::client
