"""Runs that this process executes: they end with it, and it ends with them."""

import signal
import threading
from contextlib import suppress

import dagster as dg

from soccer_assets.process import before_the_end, no_longer
from soccer_assets.runs import abandon


class OwnRun:
    """A run that this process executes."""

    #: How often it is looked whether others ended it,
    LOOK_SECONDS = 5.0
    #: and how often it may be found to be canceled while whoever cancels it interrupts it himself.
    LOOKS_ASIDE = 0

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self._instance = instance
        self._run_id = run_id
        self.done = threading.Event()

    def watch(self) -> None:
        before_the_end(self.leave)
        threading.Thread(target=self._watch, daemon=True).start()

    def leave(self) -> None:
        """End the run with this process, which was asked to end and has not ended the run."""
        raise NotImplementedError

    def _watch(self) -> None:
        """Interrupt the process when its run is ended by others: in the UI, or by its limit."""
        looks = 0
        while not self.done.wait(self.LOOK_SECONDS):
            with suppress(Exception):
                run = self._instance.get_run_by_id(self._run_id)
                if run and run.status is dg.DagsterRunStatus.CANCELING and looks < self.LOOKS_ASIDE:
                    looks += 1
                elif run is None or run.is_finished or run.status is dg.DagsterRunStatus.CANCELING:
                    main = threading.main_thread().ident
                    if main and not self.done.is_set():
                        signal.pthread_kill(main, signal.SIGINT)
                        break
        self.done.wait()
        no_longer(self.leave)


class RunOfCommand(OwnRun):
    """A run that a command executes: canceled with the command, and the command with it."""

    def leave(self) -> None:
        run = self._instance.get_run_by_id(self._run_id)
        if run and not run.is_finished:
            self._instance.report_run_canceled(run, "The command that executed it was ended.")
        if run:  # a slot may have been taken since
            self._instance.event_log_storage.free_concurrency_slots_for_run(self._run_id)


class LaunchedRun(OwnRun):
    """A run that a code server started this process for: it fails with the process, and is tried
    again, unless it was to be canceled. The process ends with the run even if the code server has
    died, or the step does not listen."""

    LOOKS_ASIDE = 1

    def leave(self) -> None:
        abandon(self._instance, self._run_id)
