"""Jobs as a client sees them: every change is one, its end can be awaited, a start can be cancelled, none hangs."""

import time

import pytest

from framework.stack import wait_for


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
    begun = time.monotonic()
    job = api.ok("DELETE", f"/jobs/{job_id}").json()
    assert job["state"] == "cancelled" and time.monotonic() - begun < 10
    vm = api.vm(vm_id)
    assert vm["desired_status"] == "created" and vm["activity"] is None and vm["status"] in ("created", "shutdown")
    assert api.call("DELETE", f"/jobs/{job_id}").status_code == 409
    api.delete(vm_id)


def test_unfinished_jobs_come_to_their_end_after_the_server_was_killed(simulated):
    api = simulated.api
    vm_id = api.create("interrupted", hypervisor="simulator", config={"start_delay_ms": 2_000})
    job_id = job_of(api.call("POST", f"/vms/{vm_id}/start", headers={"Prefer": "respond-async"}))
    simulated.server.kill()
    simulated.server.start()
    wait_for("server ready", lambda: api.session.get(api.base + "/livez", timeout=5).status_code == 200)
    job = api.ok("GET", f"/jobs/{job_id}?wait=60s").json()
    # Its call ended with the server: the node had finished it by then, or undid it and says so.
    assert job["state"] in ("completed", "failed"), job
    vm = api.vm(vm_id)
    if job["state"] == "completed":
        assert vm["status"] == "running"
    else:
        assert job["error"]["type"].endswith("/cancelled") and vm["desired_status"] == "created" and vm["activity"] is None
    api.delete(vm_id)


@pytest.mark.parametrize("path", ["/jobs/x", "/jobs?state=done", "/jobs?cursor=x", "/jobs?limit=0", "/jobs?vm_id=x"])
def test_bad_questions(simulated, path):
    assert simulated.api.call("GET", path).status_code == 400
