import type { ListedSetting } from '../src/common/settings/table.js';

/** The text of docs/settings.md. */
export function settingsPage(settings: readonly ListedSetting[], groups: Readonly<Record<string, string>>): string;
