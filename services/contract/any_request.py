"""All requests there are, with their replies. Pure."""

from typing import Final

from services.contract.game_requests import (
    CommandQuest,
    GetAchievements,
    GetChallenges,
    GetLeaderboard,
    GetPersonas,
    GetProjects,
    GetQuest,
    GetQuests,
    GetReport,
    GetXp,
)
from services.contract.requests import (
    Appended,
    AppendEvents,
    Beat,
    DrainSpool,
    ExplainPane,
    GetActions,
    GetClients,
    GetEvents,
    GetHealth,
    GetPanes,
    GetSessions,
    GetSnapshot,
    GetUpdates,
    GetWindows,
    Listing,
    Replayed,
    Reply,
    ReportAction,
    ReportRepositories,
    ReportScreens,
    ReportSigns,
    ReportTmux,
    Request,
    RunAction,
    Snapshot,
    SpoolDrained,
    Taken,
    Watching,
    WatchPanes,
)

type_of_reply: Final[dict[type[Request], type[Reply]]] = {
    AppendEvents: Appended,
    DrainSpool: SpoolDrained,
    ReportTmux: Taken,
    ReportScreens: Taken,
    ReportSigns: Taken,
    ReportRepositories: Taken,
    ReportAction: Taken,
    RunAction: Listing,
    WatchPanes: Watching,
    GetActions: Listing,
    Beat: Taken,
    GetSnapshot: Snapshot,
    GetUpdates: Replayed,
    GetWindows: Listing,
    GetPanes: Listing,
    ExplainPane: Listing,
    GetSessions: Listing,
    GetEvents: Listing,
    GetClients: Listing,
    GetHealth: Listing,
    GetPersonas: Listing,
    GetChallenges: Listing,
    GetAchievements: Listing,
    GetProjects: Listing,
    GetXp: Listing,
    GetLeaderboard: Listing,
    GetReport: Listing,
    CommandQuest: Listing,
    GetQuests: Listing,
    GetQuest: Listing,
}

AnyRequest = (
    AppendEvents
    | DrainSpool
    | ReportTmux
    | ReportScreens
    | ReportSigns
    | ReportRepositories
    | ReportAction
    | RunAction
    | WatchPanes
    | GetActions
    | Beat
    | GetSnapshot
    | GetUpdates
    | GetWindows
    | GetPanes
    | ExplainPane
    | GetSessions
    | GetEvents
    | GetClients
    | GetHealth
    | GetPersonas
    | GetChallenges
    | GetAchievements
    | GetProjects
    | GetXp
    | GetLeaderboard
    | GetReport
    | CommandQuest
    | GetQuests
    | GetQuest
)
