// UUIDs, fingerprints, and the ids of a host and its boot. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace qarax::core {

std::string new_uuid();  // version 4: lower case, from getrandom(2)
// Version 7: sorts, as text, after every one that this process made before, even within a millisecond or if the clock
// is set back. For ids that are listed in order of creation.
std::string new_ordered_uuid();
bool is_uuid(std::string_view text);          // 8-4-4-4-12 hexadecimal digits, any case
std::string to_lower(std::string_view text);  // ASCII
// A 64-bit hash of the text, as 16 hexadecimal digits. Not cryptographic: collisions can be made on purpose.
std::string fingerprint(std::string_view text);

std::string machine_id();  // /etc/machine-id, empty in containers that have none
// The kernel's boot id, read once: if a later read failed, e.g. for lack of descriptors, that must not look like a
// reboot. Empty without /proc.
const std::string& boot_id();
// Identifies this PID namespace: boot_id(), the namespace's inode, and the start time of its pid 1. If it differs from
// the recorded one, either all processes of that time are gone, or this agent runs in another namespace than they do.
// Only the processes that are still visible, and their supervisors' locks, tell which. Read once, too.
const std::string& boot_identity();

}  // namespace qarax::core
