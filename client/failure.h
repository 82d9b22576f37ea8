// SPDX-License-Identifier: Apache-2.0
// Statuses of the rooms below, as users see them.
#pragma once

#include <string>

#include "cordwood/result.h"
#include "storage/base/reason.h"

namespace cordwood::client {

// status is not OK. kTransport where no broker gave a reason.
Failure ToFailure(const Status& status);
// As ToFailure(), of something that was refused before anything left this process: definite, whatever the code.
Failure ToRefusal(const Status& status);
Result<void> ToResult(const Status& status);

// The status ToFailure() makes `code` of. kNone is nobody's failure: kUnknownServerError.
Status ToStatus(Errc code, std::string message);

}  // namespace cordwood::client
