"""Contains all the data models used in inputs/outputs"""

from .accepted import Accepted
from .adopt_plan import AdoptPlan
from .adopt_vm import AdoptVm
from .adopt_vm_action import AdoptVmAction
from .adopt_vm_status import AdoptVmStatus
from .check import Check
from .counter import Counter
from .cpu_topology import CpuTopology
from .description import Description
from .desired_state import DesiredState
from .desired_state_status import DesiredStateStatus
from .diagnosis import Diagnosis
from .dry_run import DryRun
from .event import Event
from .exit_info import ExitInfo
from .exit_info_kind import ExitInfoKind
from .host import Host
from .host_patch import HostPatch
from .host_plugin import HostPlugin
from .host_status import HostStatus
from .job import Job
from .job_progress import JobProgress
from .job_state import JobState
from .job_step import JobStep
from .job_step_state import JobStepState
from .leftover import Leftover
from .list_hosts_status import ListHostsStatus
from .list_jobs_state import ListJobsState
from .list_vms_status import ListVmsStatus
from .new_host import NewHost
from .new_snapshot import NewSnapshot
from .new_vm import NewVm
from .new_vm_restart_policy import NewVmRestartPolicy
from .observed_state import ObservedState
from .observed_state_status import ObservedStateStatus
from .openapi_response_200 import OpenapiResponse200
from .plugin import Plugin
from .plugin_limits import PluginLimits
from .problem import Problem
from .problem_error import ProblemError
from .ready import Ready
from .restore import Restore
from .snapshot import Snapshot
from .snapshot_status import SnapshotStatus
from .version import Version
from .vm import Vm
from .vm_desired_origin import VmDesiredOrigin
from .vm_desired_status import VmDesiredStatus
from .vm_metrics import VmMetrics
from .vm_observed_source import VmObservedSource
from .vm_patch import VmPatch
from .vm_patch_restart_policy_type_0 import VmPatchRestartPolicyType0
from .vm_resize import VmResize
from .vm_restart_policy import VmRestartPolicy
from .vm_spec import VmSpec
from .vm_status import VmStatus

__all__ = (
    "Accepted",
    "AdoptPlan",
    "AdoptVm",
    "AdoptVmAction",
    "AdoptVmStatus",
    "Check",
    "Counter",
    "CpuTopology",
    "Description",
    "DesiredState",
    "DesiredStateStatus",
    "Diagnosis",
    "DryRun",
    "Event",
    "ExitInfo",
    "ExitInfoKind",
    "Host",
    "HostPatch",
    "HostPlugin",
    "HostStatus",
    "Job",
    "JobProgress",
    "JobState",
    "JobStep",
    "JobStepState",
    "Leftover",
    "ListHostsStatus",
    "ListJobsState",
    "ListVmsStatus",
    "NewHost",
    "NewSnapshot",
    "NewVm",
    "NewVmRestartPolicy",
    "ObservedState",
    "ObservedStateStatus",
    "OpenapiResponse200",
    "Plugin",
    "PluginLimits",
    "Problem",
    "ProblemError",
    "Ready",
    "Restore",
    "Snapshot",
    "SnapshotStatus",
    "Version",
    "Vm",
    "VmDesiredOrigin",
    "VmDesiredStatus",
    "VmMetrics",
    "VmObservedSource",
    "VmPatch",
    "VmPatchRestartPolicyType0",
    "VmResize",
    "VmRestartPolicy",
    "VmSpec",
    "VmStatus",
)
