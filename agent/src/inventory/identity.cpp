#include "identity.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "qarax/core/ids.hpp"
#include "qarax/core/set_aside.hpp"
#include "qarax/plugin/fields.hpp"

namespace qarax {

namespace agent {
struct Home {
  std::int64_t format = 1;
  std::int64_t min_reader = 1;
  std::string node_id{};
  std::string machine_id{};  // empty if the machine has none, like most containers
  std::int64_t inode = 0;    // inode of the file node_id: it differs in a copy, and stays when the folder is renamed
  bool operator==(const Home&) const = default;
};
}  // namespace agent

template <>
struct Fields<agent::Home> {
  using T = agent::Home;
  static constexpr std::string_view kName = "home.json";
  static constexpr auto kTable =
      field_table(field<&T::format>("format").required(), field<&T::min_reader>("min_reader").required(),
                  field<&T::node_id>("node_id"), field<&T::machine_id>("machine_id"), field<&T::inode>("inode"));
};
QARAX_FIELDS_COMPLETE(agent::Home);

namespace agent {

namespace {

constexpr std::int64_t kReader = 1;

std::string id_file(const std::string& data_dir) { return data_dir + "/node_id"; }
std::string home_file(const std::string& data_dir) { return data_dir + "/home.json"; }

// A container's machine-id, if it has one, comes from its image: many containers share it, or it changes at each
// upgrade. A container is recognized by its PID namespace, because the host's has a fixed inode number.
std::string machine_here() {
  constexpr ino_t kFirstPidNamespace = 0xEFFFFFFC;
  struct stat ns {};
  if (::stat("/proc/self/ns/pid", &ns) == 0 && ns.st_ino != kFirstPidNamespace) return {};
  return core::machine_id();
}

Result<std::string> read_id(const std::string& data_dir) {
  const std::string path = id_file(data_dir);
  QARAX_TRY(const std::string text, core::read_file(path, 256));
  const std::string id = text.substr(0, text.find('\n'));
  if (core::is_uuid(id)) return id;
  return make_error(Code::data_loss,
                    path +
                        " doesn't hold a UUID; restore it: with another id the server would not know this node's "
                        "VMs");
}

Result<Home> home_here(const std::string& data_dir, const std::string& id) {
  struct stat file {};
  if (::stat(id_file(data_dir).c_str(), &file) != 0)
    return core::errno_error("can't look at " + id_file(data_dir), errno);
  Home home;
  home.node_id = id;
  home.machine_id = machine_here();
  home.inode = static_cast<std::int64_t>(file.st_ino);
  return home;
}

Status settle(const std::string& data_dir, const std::string& id) {
  QARAX_TRY(const Home here, home_here(data_dir, id));
  return core::write_file_durably(home_file(data_dir), encode(here, Defaults::write));
}

Status check_home(const std::string& data_dir, const std::string& id) {
  auto text = core::read_file(home_file(data_dir), 4096);
  // Either an agent that knew no home.json made the folder, or the making was interrupted.
  if (!text && text.error().code == Code::not_found) return settle(data_dir, id);
  if (!text) return std::move(text).error();
  if (core::min_reader(*text) > kReader)
    return make_error(Code::failed_precondition,
                      home_file(data_dir) + " was written by a newer qarax-node; upgrade this one", "node-outdated");
  auto kept = decode<Home>(std::string_view(*text), Unknown::ignore);
  if (!kept)
    return make_error(Code::data_loss,
                      home_file(data_dir) +
                          " is damaged. Where this folder is the node's own and no copy, `qarax-node rehome --moved` "
                          "makes it anew and leaves the VMs as they are");
  QARAX_TRY(const Home here, home_here(data_dir, id));
  std::string why;
  if (kept->node_id != id)
    why = "its home.json is of node " + kept->node_id;
  else if (!kept->machine_id.empty() && !here.machine_id.empty() && kept->machine_id != here.machine_id)
    why = "it was made on machine " + kept->machine_id + ", this is " + here.machine_id;
  else if (kept->inode != here.inode)
    why = "it is a copy of the folder that it was made in";
  if (why.empty()) return Ok{};
  return make_error(Code::failed_precondition,
                    "the data folder " + data_dir + " isn't where node " + id + " is at home: " + why +
                        ". Two nodes of one id would command the same VMs. For a node of its own: `qarax-node rehome`; "
                        "where the original is gone for good and this is it: `qarax-node rehome --moved`",
                    "cloned");
}

Result<std::string> new_identity(const std::string& data_dir) {
  const std::string id = core::new_uuid();
  QARAX_CHECK(core::write_file_durably(id_file(data_dir), id + "\n"));
  QARAX_CHECK(settle(data_dir, id));
  return id;
}

}  // namespace

Result<core::Fd> lock_data_dir(const std::string& data_dir) {
  core::Fd lock(::open((data_dir + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) {
    Error error = core::errno_error("can't use data_dir " + data_dir, errno);
    error.message += "; make it writable for this user, or set another data_dir";
    return error;
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return make_error(Code::failed_precondition, "another qarax-node runs on " + data_dir +
                                                     "; end it first, or give this one a data_dir of its own");
  return lock;
}

Result<std::string> node_id(const std::string& data_dir) {
  auto id = read_id(data_dir);
  if (!id && id.error().code == Code::not_found) return new_identity(data_dir);
  if (!id) return id;
  QARAX_CHECK(check_home(data_dir, *id));
  return id;
}

Result<Rehomed> rehome(const std::string& data_dir, bool moved) {
  Rehomed out;
  QARAX_TRY(const std::string before, read_id(data_dir));
  if (moved) {
    out.node_id = before;
    QARAX_CHECK(settle(data_dir, before));
    return out;
  }
  // The VMs first: if this is interrupted here, the folder is still refused.
  const std::string vms = data_dir + "/vms";
  const std::string aside = data_dir + "/" + std::string(core::kSetAside) + before;
  if (::rename(vms.c_str(), aside.c_str()) == 0)
    out.set_aside = aside;
  else if (errno != ENOENT)
    return core::errno_error("can't set " + vms + " aside as " + aside, errno);
  for (const std::string& file : {data_dir + "/cluster.json", data_dir + "/cluster.copy", data_dir + "/position.json"})
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) return core::errno_error("can't remove " + file, errno);
  QARAX_CHECK(core::sync_folder(data_dir));
  QARAX_TRY(out.node_id, new_identity(data_dir));
  return out;
}

}  // namespace agent
}  // namespace qarax
