// SPDX-License-Identifier: Apache-2.0
// The shape of every command that is one RPC: connect, call, print.
#pragma once

#include <cstdio>
#include <functional>
#include <string>

#include "client/cli/session.h"
#include "client/cli/stdout_writer.h"
#include "client/internal/broker_connection.h"

namespace cordwood::client {

inline ExitCode PrintText(const GlobalOptions& global, const std::string& text) {
  StdoutWriter out;
  out.Write(text);
  out.Flush();
  return Report(global, out.status());
}

// A word for people, on stderr.
inline void Note(const GlobalOptions& global, const std::string& text) {
  if (!global.quiet && global.output == OutputForm::kText) std::fprintf(stderr, "%s\n", text.c_str());
}

// `text` prints the answer for people. `mend` puts right what the answer cannot know.
template <class Service, class Method, class Request, class Response, class Text>
ExitCode OneCall(const GlobalOptions& global, Method method, const Request& request, Response* response, Text text,
                 const std::function<void()>& mend = [] {}) {
  auto connection = ConnectToBroker(global);
  if (!connection.ok()) return Report(global, connection.status());
  const Status status = CallUnary<Service>(**connection, method, request, response);
  if (!status.ok()) return Report(global, status);
  mend();
  if (global.output == OutputForm::kJson) return Report(global, PrintJson(*response));
  return text();
}

}  // namespace cordwood::client
