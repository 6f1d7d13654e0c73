// Every step of the handshake refuses with its own words.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "qarax/core/files.hpp"
#include "qarax/core/plugin_host/plugin_files.hpp"
#include "test_support.hpp"

namespace qarax::core::testing {
namespace {

namespace fs = std::filesystem;

class Refusal : public ::testing::Test {
 protected:
  // The reason without "plugin <path>: ".
  std::string refused(const std::string& path, LoadStep step, const std::string& config = "null") {
    const auto record = host_.load({.path = path, .config = {config}});
    EXPECT_EQ(record.state, PluginState::refused);
    EXPECT_EQ(to_string(record.step), to_string(step));
    const std::string prefix = "plugin " + path + ": ";
    EXPECT_EQ(record.reason.substr(0, prefix.size()), prefix);
    return record.reason.substr(std::min(prefix.size(), record.reason.size()));
  }
  TempFolder folder_;
  RecordingServices services_;
  PluginHost host_{services_};
};

TEST_F(Refusal, HealthyOnesAreTaken) {
  const auto c = host_.load({.path = fixture("c_plugin")});
  EXPECT_EQ(c.reason, "");
  EXPECT_EQ(c.state, PluginState::loaded);
  EXPECT_EQ(c.id, "org.example.hypervisor.c_plugin");
  EXPECT_EQ(c.name, "c_plugin");
  EXPECT_EQ(c.version, "1.2.3");
  EXPECT_EQ(c.abi, "0.9");
  EXPECT_THAT(c.interfaces, ::testing::ElementsAre("qarax.hypervisor/1", "qarax.hypervisor.pause/1",
                                                   "qarax.hypervisor.disks/1", "qarax.hypervisor.nics/1"));
  EXPECT_EQ(c.description.vmm_path, "/bin/sleep");
  EXPECT_THAT(c.warnings, ::testing::IsEmpty());
  const auto cpp = host_.load({.path = QARAX_SLEEPER});
  EXPECT_EQ(cpp.reason, "");
  EXPECT_THAT(cpp.interfaces, ::testing::ElementsAre("qarax.hypervisor/1"));
  EXPECT_EQ(host_.records().size(), 2u);
}

TEST_F(Refusal, Path) {
  EXPECT_EQ(refused("plugins/foo.so", LoadStep::path),
            "its path isn't absolute; write it from / on in the node's config");
  EXPECT_EQ(refused(folder_ / "none.so", LoadStep::path), "No such file or directory; correct the node's config");
  EXPECT_EQ(refused(folder_.path(), LoadStep::path), "it is not a regular file");

  const auto file = take(folder_, fixture("c_plugin"), "p.so");
  ASSERT_EQ(::chmod(file.c_str(), 0777), 0);
  EXPECT_EQ(refused(file, LoadStep::path), file + " can be written by others; chmod go-w it");
  ASSERT_EQ(::chmod(file.c_str(), 0755), 0);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0707), 0);
  EXPECT_EQ(refused(file, LoadStep::path), folder_.path() + " can be written by others; chmod go-w it");
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0700), 0);

  // Symbolic links are followed: the target's folder counts, too.
  fs::create_directory(folder_ / "open");
  const auto target = take(folder_, fixture("c_plugin"), "open/p.so");
  ASSERT_EQ(::chmod((folder_ / "open").c_str(), 0777), 0);
  fs::create_symlink(target, folder_ / "link.so");
  EXPECT_EQ(refused(folder_ / "link.so", LoadStep::path),
            folder_ / "open" + " can be written by others; chmod go-w it");
}

TEST_F(Refusal, PathOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a file away";
  const auto file = take(folder_, fixture("c_plugin"), "p.so");
  ASSERT_EQ(::chown(file.c_str(), 12345, 12345), 0);
  EXPECT_EQ(refused(file, LoadStep::path),
            file + " belongs to user 12345, not to root or to the node's user 0; chown it");
}

TEST_F(Refusal, Exports) {
  EXPECT_EQ(refused(fixture("no_symbol"), LoadStep::exports),
            "it doesn't export `qarax_plugin`; a plugin's plugin.cpp has one QARAX_PLUGIN(…) line");
  EXPECT_EQ(refused(fixture("function_symbol"), LoadStep::exports),
            "its `qarax_plugin` is code, not the constant table; define it with QARAX_PLUGIN(…)");
  EXPECT_EQ(refused(fixture("extra_exports"), LoadStep::exports),
            "it exports 4 symbols beside `qarax_plugin` (helper_a, helper_b, helper_c, …), which would meet other "
            "plugins'; build it with qarax_add_plugin()");
  EXPECT_EQ(refused(fixture("depends"), LoadStep::exports),
            "it doesn't export `qarax_plugin`; a plugin's plugin.cpp has one QARAX_PLUGIN(…) line");

  std::ofstream(folder_ / "empty.so") << "";
  EXPECT_EQ(refused(folder_ / "empty.so", LoadStep::exports), "it is empty; build or copy it anew");
  std::ofstream(folder_ / "text.so") << "#!/bin/sh\n";
  EXPECT_EQ(refused(folder_ / "text.so", LoadStep::exports),
            "it isn't an ELF file; a plugin is a shared library built for this machine");
  const auto cut = take(folder_, fixture("c_plugin"), "cut.so");
  fs::resize_file(cut, 600);
  EXPECT_EQ(refused(cut, LoadStep::exports),
            "its dynamic section is cut off; a plugin is a shared library built for this machine");
}

TEST_F(Refusal, Open) {
  const auto path = fixture("unresolved");
  EXPECT_EQ(refused(path, LoadStep::open), "the loader refuses it: " + path + ": undefined symbol: defined_nowhere");
}

TEST_F(Refusal, OpenWhereTheLoaderTakesAnotherFile) {
  ASSERT_EQ(host_.load({.path = fixture("misnamed")}).reason, "");
  EXPECT_EQ(refused(fixture("namesake"), LoadStep::open),
            "the loader took another file for it (" + fixture("misnamed") +
                "); link each plugin without a SONAME, as qarax_add_plugin() does, and restart qarax-node");
}

TEST_F(Refusal, OpenAfterAReplacement) {
  const auto path = take(folder_, fixture("create_fails"), "p.so");
  refused(path, LoadStep::create);
  fs::rename(take(folder_, fixture("c_plugin"), "new.so"), path);
  EXPECT_EQ(refused(path, LoadStep::open),
            "an older file of that name is loaded already; a changed plugin takes effect with a restart of qarax-node");
}

TEST_F(Refusal, Magic) {
  EXPECT_EQ(refused(fixture("bad_magic"), LoadStep::magic),
            "its `qarax_plugin` begins with deadbeef00000001, not with the mark of a qarax plugin; define it with "
            "QARAX_PLUGIN(…)");
}

TEST_F(Refusal, Major) {
  EXPECT_EQ(refused(fixture("other_major"), LoadStep::major),
            "it was built for plugin ABI 7.3, this node speaks 0.9; rebuild it with this node's SDK");
  EXPECT_EQ(host_.records().back().abi, "7.3");
}

TEST_F(Refusal, Size) {
  EXPECT_EQ(refused(fixture("small_table"), LoadStep::size),
            "its table has 96 bytes, ABI 0.9 needs 128; rebuild it with the SDK's own abi.h");
  for (const std::string member : {"id", "name", "version", "config_schema", "create", "destroy", "query", "describe"})
    EXPECT_EQ(refused(fixture("lacks_" + member), LoadStep::size),
              "its table lacks `" + member + "`, which every plugin has");
  const std::string ids[] = {"nodots", "Org.Example", "org/example", ".org.example", "org.example.", "org..example"};
  for (std::size_t i = 0; i < std::size(ids); ++i)
    EXPECT_EQ(refused(fixture("bad_id_" + std::to_string(i + 1)), LoadStep::size),
              "its id \"" + ids[i] + "\" isn't of the kind org.example.hypervisor.foo");
  EXPECT_EQ(refused(fixture("bad_name"), LoadStep::size), "its name \"../Bad\" isn't [a-z][a-z0-9_]{0,31}");
}

TEST_F(Refusal, Config) {
  EXPECT_EQ(refused(fixture("bad_schema"), LoadStep::config),
            "its config_schema /properties/path/pattern: a keyword that qarax doesn't check");
  EXPECT_EQ(refused(fixture("c_plugin"), LoadStep::config, R"({"mode":"warp","count":9,"colour":1})"),
            "config /mode: \"warp\" is not one of \"fast\", \"slow\"; /count: 9 is above the maximum of 8; /colour: "
            "unknown option; it knows mode, count, label, on");
  const std::string path = fixture("c_plugin");
  EXPECT_EQ(host_.load({.path = path, .config = {R"({"count":9})"}, .at = "/etc/qarax/node.yaml:12"}).reason,
            "plugin " + path + " (/etc/qarax/node.yaml:12): config /count: 9 is above the maximum of 8");
}

TEST_F(Refusal, Clash) {
  const auto first = host_.load({.path = fixture("c_plugin")});
  ASSERT_EQ(first.state, PluginState::loaded) << first.reason;
  EXPECT_EQ(refused(fixture("same_name"), LoadStep::clash),
            "its name c_plugin is taken by " + fixture("c_plugin") + "; remove one of the two from the node's config");
  EXPECT_EQ(refused(take(folder_, fixture("c_plugin"), "copy.so"), LoadStep::clash),
            "its id org.example.hypervisor.c_plugin is taken by " + fixture("c_plugin") +
                "; remove one of the two from the node's config");
}

TEST_F(Refusal, Create) {
  EXPECT_EQ(refused(fixture("create_fails"), LoadStep::create), "create: /usr/bin/vmm isn't installed");
  EXPECT_EQ(refused(fixture("create_without_instance"), LoadStep::create),
            "create succeeded without an instance; it must set *instance");
  EXPECT_EQ(refused(fixture("throws"), LoadStep::create, R"({"throw":"create"})"),
            "create threw across the border: no luck");
  std::ofstream(folder_ / "file") << "x";
  const auto record = host_.load({.path = fixture("c_plugin"), .state_root = folder_ / "file/state"});
  EXPECT_EQ(to_string(record.step), "create");
  EXPECT_THAT(record.reason, ::testing::HasSubstr(folder_ / "file"));
}

TEST_F(Refusal, Interfaces) {
  EXPECT_EQ(refused(fixture("no_interface"), LoadStep::interfaces),
            "it offers no interface that this host can use; a hypervisor plugin offers qarax.hypervisor/1");
  EXPECT_EQ(refused(fixture("small_interface"), LoadStep::interfaces),
            "it offers qarax.hypervisor.pause/1, but its table of 16 bytes has no `resume`; offer all of an interface "
            "or none of it");
}

TEST_F(Refusal, InterfacesOfAPluginWhoseQueryThrows) {
  EXPECT_EQ(refused(fixture("throws"), LoadStep::interfaces, R"({"throw":"query std"})"),
            "query threw across the border: no table");
  EXPECT_EQ(refused(fixture("throws"), LoadStep::interfaces, R"({"throw":"query int"})"),
            "query threw across the border");
}

TEST_F(Refusal, Describe) {
  EXPECT_EQ(refused(fixture("describe_fails"), LoadStep::describe),
            "plugin describe_fails: describe: the VMM doesn't answer");
  EXPECT_EQ(refused(fixture("describe_without_put"), LoadStep::describe),
            "plugin describe_without_put: describe succeeded without an answer; the plugin must `put` one");
}

TEST_F(Refusal, RefusedOnesStayVisible) {
  host_.load({.path = fixture("create_fails"), .required = true});
  host_.load({.path = fixture("c_plugin")});
  const auto records = host_.records();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_TRUE(records[0].required);
  EXPECT_EQ(host_.hypervisor("create_fails"), nullptr);
  EXPECT_EQ(host_.explain_missing("create_fails"),
            "no hypervisor \"create_fails\" on this node; loaded: c_plugin; plugin " + fixture("create_fails") +
                ": create: /usr/bin/vmm isn't installed");
  EXPECT_EQ(host_.explain_missing("xen"), "no hypervisor \"xen\" on this node; loaded: c_plugin");
}

// A file hangs in one of the plugin's own functions: its thread is left behind, and the next file is loaded.
class Hanging : public Refusal {
 protected:
  Hanging() { EXPECT_EQ(::mkfifo(fifo_.c_str(), 0600), 0); }
  void release() const {
    const int fd = ::open(fifo_.c_str(), O_WRONLY | O_CLOEXEC);  // blocks until the plugin has it open, then frees it
    EXPECT_GE(fd, 0);
    ::close(fd);
  }
  const std::string fifo_ = folder_ / "fifo";
  PluginHost impatient_{
      services_, {.open_timeout_ms = 10'000, .create_timeout_ms = 1'000, .describe_timeout_ms = 1'000, .grace_ms = 20}};
};

TEST_F(Hanging, CreateAndDescribe) {
  const auto path = fixture("slow_create");
  for (const std::string step : {"create", "describe"}) {
    const auto record =
        impatient_.load({.path = path, .config = {R"({"fifo":")" + fifo_ + R"(","in":")" + step + R"("})"}});
    EXPECT_EQ(record.state, PluginState::refused);
    EXPECT_EQ(to_string(record.step), step);
    EXPECT_EQ(record.name, "slow_create");
    EXPECT_EQ(record.reason,
              "plugin " + path + ": " + step +
                  " hasn't returned within 1020 ms; the node goes on without it. Mend what it waits for, "
                  "or take it out of the node's config, and restart qarax-node");
    release();
  }
  EXPECT_EQ(impatient_.hypervisor("slow_create"), nullptr);
  EXPECT_EQ(impatient_.load({.path = fixture("c_plugin")}).reason, "") << "the next one has its turn";
}

TEST_F(Hanging, OpenAndWithItTheLoader) {
  const auto path = fixture("slow_open");
  ::setenv("QARAX_FIXTURE_FIFO", fifo_.c_str(), 1);
  PluginHost host(services_, {.open_timeout_ms = 1'000, .grace_ms = 20});
  const auto record = host.load({.path = path});
  EXPECT_EQ(to_string(record.step), "open");
  EXPECT_EQ(record.reason, "plugin " + path +
                               ": loading it, which runs its static initialisers, hasn't returned within 1020 ms; the "
                               "node goes on without it. Mend what it waits for, or take it out of the node's config, "
                               "and restart qarax-node");
  const auto next = host.load({.path = fixture("c_plugin")});
  EXPECT_EQ(to_string(next.step), "open");
  EXPECT_EQ(next.reason, "plugin " + fixture("c_plugin") + ": the system's loader is held by " + path +
                             ", which hangs while it is loaded; take that one out of the node's config and restart "
                             "qarax-node");
  release();
  ::unsetenv("QARAX_FIXTURE_FIFO");
}

TEST_F(Refusal, TheStateFolderIsNamedLikeThePlugin) {
  fs::create_directory(folder_ / "other");
  const auto c = host_.load({.path = take(folder_, fixture("c_plugin"), "same.so"), .state_root = folder_ / "state"});
  EXPECT_EQ(c.reason, "");
  const auto sleeper =
      host_.load({.path = take(folder_, QARAX_SLEEPER, "other/same.so"), .state_root = folder_ / "state"});
  EXPECT_EQ(sleeper.reason, "");
  for (const std::string& name : {c.name, sleeper.name})
    EXPECT_EQ(fs::status(folder_ / "state/" + name).permissions(), fs::perms::owner_all) << name;
}

std::vector<std::string> paths(const PluginFiles& found) {
  std::vector<std::string> out;
  for (const auto& file : found.files) out.push_back(file.path.substr(file.path.rfind('/') + 1));
  return out;
}

TEST(PluginFilesTest, NamedFilesComeFirstAndKeepTheirOwnConfig) {
  const TempFolder folder;
  fs::create_directory(folder / "b");
  for (const char* name : {"20.so", "10.so", "README", "30.so", "b/40.so", "b/10.so"})
    std::ofstream(folder / name) << "";
  const auto found = find_plugin_files({{.path = folder.path(), .required = true},
                                        {.path = folder / "b"},
                                        {.path = folder / "30.so", .config = {"{}"}},
                                        {.path = folder / "gone.so"},
                                        {.path = folder / "30.so"}});
  EXPECT_THAT(paths(found), ::testing::ElementsAre("30.so", "gone.so", "10.so", "20.so", "10.so", "40.so"));
  EXPECT_EQ(found.files[0].config.text, "{}");
  EXPECT_FALSE(found.files[0].required);
  EXPECT_TRUE(found.files[2].required);
  EXPECT_FALSE(found.files[5].required);
  EXPECT_THAT(found.refused, ::testing::IsEmpty());
}

TEST(PluginFilesTest, AFolderThatIsntToBeTrustedOrReadIsSaid) {
  const TempFolder folder;
  fs::create_directory(folder / "open");
  ASSERT_EQ(::chmod((folder / "open").c_str(), 0777), 0);
  std::ofstream(folder / "open/10.so") << "";
  const auto found = find_plugin_files({{.path = folder / "open", .required = true, .at = "/n.yaml:3"}});
  EXPECT_THAT(found.files, ::testing::IsEmpty());
  ASSERT_EQ(found.refused.size(), 1u);
  EXPECT_TRUE(found.refused[0].required);
  EXPECT_EQ(found.refused[0].reason, "plugin folder " + folder / "open" + " (/n.yaml:3): " + folder / "open" +
                                         " can be written by others; chmod go-w it");
  RecordingServices services;
  PluginHost host(services);
  EXPECT_EQ(host.add_refused(found.refused[0]).reason, found.refused[0].reason);
  EXPECT_EQ(host.records().at(0).path, folder / "open");

  if (::geteuid() == 0) return;  // root may read everything
  fs::create_directory(folder / "shut");
  ASSERT_EQ(::chmod((folder / "shut").c_str(), 0), 0);
  EXPECT_EQ(find_plugin_files({{.path = folder / "shut"}}).refused.at(0).reason,
            "plugin folder " + folder / "shut" + ": it can't be listed: Permission denied");
}

}  // namespace
}  // namespace qarax::core::testing
