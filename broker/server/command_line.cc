// SPDX-License-Identifier: Apache-2.0
// The flags: a few with names of their own, --set for every key.
#include "broker/server/command_line.h"

#include <CLI/CLI.hpp>

#include "broker/server/version.h"

namespace cordwood::broker {
namespace {

struct Flags {
  std::string data_dir;
  std::string listen;
  std::string http_listen;
  std::string port_file;
  std::string config;
  std::vector<std::string> set;
  bool insecure = false;
  bool check_config = false;
  bool print_config = false;
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("--data-dir", flags.data_dir, "Directory of everything the broker keeps (data.dir)")->type_name("D");
  app.add_option("--listen", flags.listen, "Where gRPC is served (listeners), default 127.0.0.1:9600; port 0 takes a free one")->type_name("HOST:PORT");
  app.add_option("--http-listen", flags.http_listen, "Where HTTP is served (http.listen), default 127.0.0.1:9680")->type_name("HOST:PORT");
  app.add_option("--port-file", flags.port_file, "Gets the lines grpc=HOST:PORT and http=HOST:PORT once the broker is ready")->type_name("F");
  app.add_option("--config", flags.config, "Configuration file: key = value lines")->type_name("FILE");
  app.add_option("--set", flags.set, "Sets a configuration key; may be repeated")->type_name("key=value")->allow_extra_args(false);
  app.add_flag("--insecure", flags.insecure, "Allows listening beyond loopback without TLS (insecure)");
  app.add_flag("--check-config", flags.check_config, "Checks the configuration and ends: 0 if it is good, else 2");
  app.add_flag("--print-config", flags.print_config, "Prints every key with its value and where that comes from, and ends");
  app.set_version_flag("--version", std::string("cordwoodd ") + kVersion);
  app.footer("Every key can also be set in the environment: CORDWOOD_ and the key in capitals, '.' as '_'.");
}

std::variant<CommandLine, ExitNow> Interpret(const CLI::App& app, const Flags& flags) {
  CommandLine line;
  if (app.count("--config") > 0) line.config_file = flags.config;
  if (app.count("--port-file") > 0) line.port_file = flags.port_file;
  if (app.count("--data-dir") > 0) line.settings.push_back({"data.dir", flags.data_dir, "--data-dir"});
  if (app.count("--listen") > 0) line.settings.push_back({"listeners", flags.listen, "--listen"});
  if (app.count("--http-listen") > 0) line.settings.push_back({"http.listen", flags.http_listen, "--http-listen"});
  if (flags.insecure) line.settings.push_back({"insecure", "true", "--insecure"});
  for (const std::string& assignment : flags.set) {
    const std::size_t equals = assignment.find('=');
    if (equals == std::string::npos) return ExitNow{2, "", "--set: expected key=value, found \"" + assignment + "\""};
    line.settings.push_back({assignment.substr(0, equals), assignment.substr(equals + 1), "--set"});
  }
  if (flags.check_config) line.action = CommandLine::Action::kCheckConfig;
  if (flags.print_config) line.action = CommandLine::Action::kPrintConfig;
  return line;
}

}  // namespace

std::variant<CommandLine, ExitNow> ParseCommandLine(int argc, const char* const* argv) {
  CLI::App app("cordwoodd: the Cordwood broker", "cordwoodd");
  Flags flags;
  Declare(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return ExitNow{0, app.help(), ""};
  } catch (const CLI::CallForVersion& version) {
    return ExitNow{0, std::string(version.what()) + "\n", ""};
  } catch (const CLI::ParseError& error) {
    return ExitNow{2, "", std::string(error.what()) + "; see cordwoodd --help"};
  }
  return Interpret(app, flags);
}

}  // namespace cordwood::broker
