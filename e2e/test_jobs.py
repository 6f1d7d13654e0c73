"""Jobs as a client sees them: every change is a job, its end can be awaited, a start can be cancelled, no job hangs."""

import time

import pytest

from framework.stack import Stack, wait_for


def job_of(response) -> str:
    assert response.status_code == 202, response.text
    assert response.headers["Location"] == "/jobs/" + response.json()["job_id"]
    return response.json()["job_id"]


def test_every_change_is_a_job_with_steps_and_times(simulated):
    api = simulated.api
    vm_id = api.create("jobbed", hypervisor="simulator")
    job_id = job_of(api.call("POST", f"/vms/{vm_id}/start", headers={"Prefer": "respond-async", "X-Request-Id": "mine"}))
    job = api.ok("GET", f"/jobs/{job_id}?wait=30s").json()
    assert job["state"] == "completed" and job["progress"] == 100 and job["request_id"] == "mine"
    assert [s["name"] for s in job["steps"]] == ["record", "node"]
    assert all(s["state"] == "completed" and s["started_at"] <= s["finished_at"] for s in job["steps"])
    assert job["result"] == f"/vms/{vm_id}"
    assert api.vm(vm_id)["status"] == "running", "what a job has done GET shows"
    api.delete(vm_id)
    jobs = api.ok("GET", f"/jobs?vm_id={vm_id}").json()
    assert [j["action"] for j in jobs] == ["delete", "start", "create"]
    assert all(j["state"] == "completed" for j in jobs)


def test_a_request_id_leads_through_both_logs():
    """With the logs at their default level, info."""
    stack = Stack(server_settings={"log": {"level": "info"}})
    try:
        node = stack.add_node(plugins=[stack.simulator_plugin()], boot={}, settings={"log": {"level": "info"}})
        host = stack.api.hosts()[0]["id"]
        web = stack.api.create("web", hypervisor="simulator")
        fails = stack.api.create("fails", hypervisor="simulator", config={"failure_percent": 100})

        def line(program, *words: str) -> str:
            return wait_for(f"{words} in the log of {program.name}", lambda: next(
                (one for one in program.log().splitlines() if all(word in one for word in words)), None), 10)

        for action in ("start", "pause", "resume", "reboot", "stop", "stop"):
            request = f"r-{action}-{time.monotonic_ns()}"
            before = stack.api.vm(web)["status"]
            answer = stack.api.ok("POST", f"/vms/{web}/{action}", headers={"X-Request-Id": request})
            assert answer.headers["X-Request-Id"] == request
            told = line(stack.server, " info ", f"request={request}", f"vm={web}", action)
            if before != "shutdown":
                job = stack.api.ok("GET", f"/jobs?vm_id={web}&limit=1").json()[0]["id"]
                assert f"{action} completed" in told and f"job={job}" in told and f"host={host}" in told, told
                assert f"{action} done" in line(node, " info ", f"request={request}", f"vm={web}")

        failed = stack.api.call("POST", f"/vms/{fails}/start", headers={"X-Request-Id": "r-fails"})
        assert failed.status_code >= 500, failed.text
        told = line(stack.server, " error ", "request=r-fails", f"vm={fails}", "start failed", "reason=")
        job = stack.api.ok("GET", f"/jobs?vm_id={fails}&limit=1").json()[0]["id"]
        assert f"job={job}" in told and f"host={host}" in told, told
        assert "start failed" in line(node, " error ", "request=r-fails", f"vm={fails}")

        stack.api.ok("POST", f"/hosts/{host}/init", headers={"X-Request-Id": "r-host"})
        line(stack.server, " info ", "init-host completed", f"host={host}", "request=r-host")
        stack.api.ok("DELETE", f"/vms/{web}", headers={"X-Request-Id": "r-delete"})
        line(stack.server, " info ", "delete completed", f"vm={web}", f"host={host}", "request=r-delete")
        assert "delete done" in line(node, " info ", f"vm={web}", "request=r-delete")
    finally:
        left = stack.close()
        assert not left, left


def test_a_delete_is_answered_with_its_job_where_that_is_preferred(simulated):
    api = simulated.api
    prefer = {"Prefer": "respond-async"}
    slow = api.create("slow-to-delete", hypervisor="simulator", config={"start_delay_ms": 3_000})
    api.call("POST", f"/vms/{slow}/start", headers=prefer)
    job_id = job_of(api.call("DELETE", f"/vms/{slow}", headers=prefer))
    busy = api.call("DELETE", f"/vms/{slow}", headers=prefer)
    assert busy.status_code == 404 or (busy.status_code == 409 and busy.json()["job_id"] == job_id)
    assert api.ok("GET", f"/jobs/{job_id}?wait=30s").json()["state"] == "completed"
    assert api.call("GET", f"/vms/{slow}").status_code == 404
    assert api.call("DELETE", f"/vms/{slow}", headers=prefer).status_code == 404
    # No node has this VM, so its job has ended when the request is answered.
    fresh = api.create("never-started", hypervisor="simulator")
    job = api.ok("GET", f"/jobs/{job_of(api.call('DELETE', f'/vms/{fresh}', headers=prefer))}").json()
    assert (job["action"], job["state"], job["vm_id"]) == ("delete", "completed", fresh)
    assert api.call("GET", f"/vms/{fresh}").status_code == 404


def test_what_is_done_at_a_host_is_a_job_of_it(simulated):
    api = simulated.api
    host = api.hosts()[0]["id"]
    for path, action in ((f"/hosts/{host}/init", "init-host"), (f"/hosts/{host}/leftovers/collect", "collect-leftovers")):
        api.ok("POST", path, headers={"X-Request-Id": "mine-" + action})
        job = api.ok("GET", f"/jobs?host_id={host}&limit=1").json()[0]
        assert (job["action"], job["state"], job["host_id"], job["request_id"]) == (action, "completed", host, "mine-" + action)
        assert [s["name"] for s in job["steps"]] == ["record", "node"] and job["result"] == f"/hosts/{host}"
        later = api.call("POST", path, headers={"Prefer": "respond-async"})
        assert later.status_code == 202 and later.headers["Preference-Applied"] == "respond-async"
        job = api.ok("GET", later.headers["Location"] + "?wait=30s").json()
        assert (job["action"], job["state"], job["host_id"]) == (action, "completed", host)
    assert api.call("GET", "/jobs?host_id=x").status_code == 400
    assert api.ok("GET", "/jobs?host_id=6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55").json() == []


def test_a_stop_that_only_says_what_is_meant_is_a_job(simulated):
    """A guest that powered itself off is shutdown by its own wish; the stop records it as the user's."""
    api = simulated.api
    vm = api.create("crashes", hypervisor="simulator", config={"exit_after_ms": 200})
    api.act(vm, "start")
    simulated.wait_state(vm, "shutdown")
    assert api.vm(vm)["desired_origin"] == "guest"
    api.act(vm, "stop")
    assert (api.vm(vm)["desired_status"], api.vm(vm)["desired_origin"]) == ("shutdown", "user")
    jobs = [(j["action"], j["state"]) for j in api.ok("GET", f"/jobs?vm_id={vm}").json()]
    assert jobs == [("stop", "completed"), ("start", "completed"), ("create", "completed")]
    api.act(vm, "stop")
    assert len(api.ok("GET", f"/jobs?vm_id={vm}").json()) == 3, "the second one changes nothing"
    api.delete(vm)


def test_a_failed_job_keeps_the_reason(simulated):
    api = simulated.api
    vm_id = api.create("failing", hypervisor="simulator", config={"failure_percent": 100})
    job_id = job_of(api.call("POST", f"/vms/{vm_id}/start", headers={"Prefer": "respond-async"}))
    job = api.ok("GET", f"/jobs/{job_id}?wait=30s").json()
    assert job["state"] == "failed" and job["error"]["type"].startswith("https://qarax.dev/problems/")
    assert "failing" in job["error"]["detail"]
    assert api.vm(vm_id)["desired_status"] == "created", "what failed for good wasn't meant"
    api.delete(vm_id)


def test_a_start_is_cancelled_down_to_the_plugin(simulated):
    api = simulated.api
    vm_id = api.create("slow", hypervisor="simulator", config={"start_delay_ms": 60_000})
    job_id = job_of(api.call("POST", f"/vms/{vm_id}/start", headers={"Prefer": "respond-async"}))
    wait_for("the node has it", lambda: len(api.ok("GET", f"/jobs/{job_id}").json()["steps"]) == 2)
    dry = api.ok("DELETE", f"/jobs/{job_id}?dry_run=true").json()
    assert dry["action"] == "cancel" and dry["changes"] and api.ok("GET", f"/jobs/{job_id}").json()["state"] == "running"
    begun = time.monotonic()
    job = api.ok("DELETE", f"/jobs/{job_id}").json()
    assert job["state"] == "cancelled" and time.monotonic() - begun < 10
    vm = api.vm(vm_id)
    assert vm["desired_status"] == "created" and vm["activity"] is None and vm["status"] in ("created", "shutdown")
    assert api.call("DELETE", f"/jobs/{job_id}").status_code == 409
    api.delete(vm_id)


def begin_slowly(stack, name: str, delay_ms: int) -> tuple:
    """Begins a start that takes `delay_ms` on its node; returns the VM and the job."""
    vm_id = stack.api.create(name, hypervisor="simulator", config={"start_delay_ms": delay_ms})
    job_id = job_of(stack.api.call("POST", f"/vms/{vm_id}/start", headers={"Prefer": "respond-async"}))
    wait_for("its plugin is at it", lambda: (stack.nodes[0].vm_dir(vm_id) / "handle.json").exists())
    return vm_id, job_id


def test_a_running_job_tells_how_far_its_node_is(simulated):
    api = simulated.api
    vm_id, job_id = begin_slowly(simulated, "measured", 60_000)

    def moved():
        job = api.ok("GET", f"/jobs/{job_id}").json()
        detail = job["progress_detail"]
        return job if detail and detail["done"] > 0 else None

    job = wait_for("how far it is", moved)
    assert job["progress_detail"]["step"] == "delay" and job["progress_detail"]["total"] == 60_000
    assert 50 <= job["progress"] < 100
    kill_server(simulated)
    wait_for("the next server hears it too", moved)
    ended = api.ok("DELETE", f"/jobs/{job_id}").json()
    assert ended["state"] == "cancelled" and ended["progress_detail"] is None
    api.delete(vm_id)


def kill_server(stack) -> None:
    stack.server.kill()
    stack.server.start()
    wait_for("server ready", lambda: stack.api.session.get(stack.api.base + "/livez", timeout=5).status_code == 200)


def test_a_start_goes_on_while_the_server_is_killed(simulated):
    api = simulated.api
    vm_id, job_id = begin_slowly(simulated, "interrupted", 3_000)
    kill_server(simulated)
    job = api.ok("GET", f"/jobs/{job_id}?wait=60s").json()
    assert job["state"] == "completed", job
    vm = api.vm(vm_id)
    assert vm["status"] == "running" and vm["incarnation"] == 1, "the start that was under way, not another one"
    api.delete(vm_id)


def test_a_start_of_the_server_before_is_cancelled_by_the_next_one(simulated):
    api = simulated.api
    vm_id, job_id = begin_slowly(simulated, "unwanted", 60_000)
    kill_server(simulated)
    wait_for("the host is up", lambda: api.hosts()[0]["status"] == "up")
    job = api.ok("DELETE", f"/jobs/{job_id}").json()
    assert job["state"] == "cancelled"
    vm = api.vm(vm_id)
    assert vm["desired_status"] == "created" and vm["activity"] is None and vm["status"] in ("created", "shutdown")
    api.delete(vm_id)


@pytest.mark.parametrize("path", ["/jobs/x", "/jobs?state=done", "/jobs?cursor=x", "/jobs?limit=0", "/jobs?vm_id=x"])
def test_bad_questions(simulated, path):
    assert simulated.api.call("GET", path).status_code == 400
