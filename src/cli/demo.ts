export async function run(_options: { real?: boolean }): Promise<void> {}
