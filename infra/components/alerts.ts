import * as aws from '@pulumi/aws';
import * as pulumi from '@pulumi/pulumi';
import type { Layout } from '../layout.ts';
import type { MadeNode } from './node-group.ts';

const HOUR_SECONDS = 3600;
/** Shares of the budget at which its people are told, of what was spent. */
const SPENT_PERCENT = [50, 80, 100];

/** Who is told of money: a monthly budget, and an alarm for each node that has been running for too long. */
export class Alerts extends pulumi.ComponentResource {
  constructor({ name, settings, tags }: Layout, nodes: readonly MadeNode[], opts: pulumi.ComponentResourceOptions) {
    super('miyabi:fleet:Alerts', name, {}, opts);
    const child = { parent: this };
    const { budget, runningHoursMax } = settings;
    if (budget !== undefined) makeBudget(name, settings.fleet, budget, child);
    if (budget !== undefined && runningHoursMax !== undefined && nodes.length > 0) {
      const topic = new aws.sns.Topic(name, { tags }, child);
      for (const [index, endpoint] of budget.emails.entries())
        new aws.sns.TopicSubscription(`${name}-${index + 1}`, { topic: topic.arn, protocol: 'email', endpoint }, child);
      for (const node of nodes) makeAlarm(node, runningHoursMax, topic.arn, tags, child);
    }
    this.registerOutputs();
  }
}

type Budget = NonNullable<Layout['settings']['budget']>;

function makeBudget(
  name: string,
  fleet: string,
  { monthlyUsd, emails }: Budget,
  opts: pulumi.CustomResourceOptions,
): void {
  const told = { comparisonOperator: 'GREATER_THAN', thresholdType: 'PERCENTAGE', subscriberEmailAddresses: emails };
  new aws.budgets.Budget(
    name,
    {
      budgetType: 'COST',
      timeUnit: 'MONTHLY',
      limitAmount: String(monthlyUsd),
      limitUnit: 'USD',
      // Counts once the tag is activated for cost allocation in the account's billing settings.
      costFilters: [{ name: 'TagKeyValue', values: [`user:Fleet$${fleet}`] }],
      notifications: [
        ...SPENT_PERCENT.map((threshold) => ({ ...told, threshold, notificationType: 'ACTUAL' })),
        { ...told, threshold: 100, notificationType: 'FORECASTED' },
      ],
    },
    opts,
  );
}

/** A node has figures only while it runs: an alarm once it had some in each hour of so many. */
function makeAlarm(
  { slot: { name }, instance }: MadeNode,
  hours: number,
  topic: pulumi.Input<string>,
  tags: Layout['tags'],
  opts: pulumi.CustomResourceOptions,
): void {
  new aws.cloudwatch.MetricAlarm(
    `${name}-running`,
    {
      ...{ namespace: 'AWS/EC2', metricName: 'CPUUtilization', dimensions: { InstanceId: instance.id } },
      ...{ statistic: 'SampleCount', comparisonOperator: 'GreaterThanThreshold', threshold: 0 },
      ...{ period: HOUR_SECONDS, evaluationPeriods: hours, datapointsToAlarm: hours, treatMissingData: 'notBreaching' },
      alarmDescription: `${name} has been running for ${hours} hours`,
      alarmActions: [topic],
      tags,
    },
    opts,
  );
}
