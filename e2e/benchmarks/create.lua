-- wrk's requests of row 13: each creates a VM of its own.
local made = 0
local run = tostring(os.time())
function request()
  made = made + 1
  local body = string.format('{"name": "w%s-%d", "boot_vcpus": 1, "max_vcpus": 1, "memory_size": 134217728}', run, made)
  return wrk.format("POST", "/vms", {["Content-Type"] = "application/json"}, body)
end
