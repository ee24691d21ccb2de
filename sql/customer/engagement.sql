-- One row per customer with an event or an order: the first segment of `core.engagement_rules` whose
-- conditions all hold. The thresholds are those of the seed: a column that is empty there is no condition. An
-- event is one of a visit in which the customer is known, by name or by a device of one owner; orders of
-- every shop count as being seen. Within N days means that fewer than N days lie between the day and the
-- as-of date; `first_seen_within_days` includes the Nth.
with clock as (
    select
        c.as_of_date,
        p.timezone
    from core.clock as c
    cross join core.parameters as p
),

events as (
    select
        a.customer_id,
        min(a.occurred_date) as first_event_date,
        max(a.occurred_date) as last_event_date,
        count(*) filter (where a.event_type = 'view') as views,
        count(*) filter (where a.event_type = 'cart') as carts
    from core.activity as a
    where a.customer_id is not null
    group by a.customer_id
),

sessions as (
    select
        v.customer_id,
        count(*) as sessions,
        percentile_cont(0.5) within group (order by v.views::double precision) as median_views
    from core.visits as v
    where v.customer_id is not null
    group by v.customer_id
),

orders as (
    select
        o.customer_id,
        count(*) as orders,
        min(o.order_date) as first_order_date,
        max(o.order_date) as last_order_date
    from core.orders as o
    cross join clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
    group by o.customer_id
),

carts as (
    select
        a.customer_id,
        a.session_id,
        min(c.as_of_date - (a.ended_at at time zone c.timezone)::date) as days_since
    from behavior.abandoned_carts as a
    cross join clock as c
    where a.customer_id is not null
    group by a.customer_id, a.session_id
),

cart_counts as (
    select
        t.customer_id,
        count(*) as abandoned_carts
    from carts as t
    group by t.customer_id
),

rules as (
    select
        r.rule_order,
        r.engagement_segment,
        r.first_seen_within_days,
        r.not_seen_for_days,
        r.min_orders,
        r.max_orders,
        r.ordered_within_days,
        r.not_ordered_for_days,
        r.min_abandoned_carts,
        r.abandoned_within_days,
        r.min_views,
        r.min_median_views,
        r.max_carts
    from core.engagement_rules as r
),

recent_carts as (
    select
        r.rule_order,
        t.customer_id,
        count(*) as abandoned_carts
    from rules as r
    inner join carts as t on t.days_since < coalesce(r.abandoned_within_days, t.days_since + 1)
    where r.min_abandoned_carts is not null
    group by r.rule_order, t.customer_id
),

seen as (
    select
        coalesce(e.customer_id, o.customer_id) as customer_id,
        least(e.first_event_date, o.first_order_date) as first_seen_date,
        greatest(e.last_event_date, o.last_order_date) as last_seen_date,
        coalesce(e.views, 0) as views,
        coalesce(e.carts, 0) as carts,
        coalesce(o.orders, 0) as orders,
        o.last_order_date
    from events as e
    full join orders as o on e.customer_id = o.customer_id
),

facts as (
    select
        s.customer_id,
        s.first_seen_date,
        s.last_seen_date,
        c.as_of_date - s.first_seen_date as days_since_first,
        c.as_of_date - s.last_seen_date as days_since_last,
        c.as_of_date - s.last_order_date as days_since_order,
        coalesce(v.sessions, 0) as sessions,
        s.views,
        v.median_views,
        s.carts,
        s.orders,
        s.last_order_date,
        coalesce(t.abandoned_carts, 0) as abandoned_carts
    from seen as s
    cross join clock as c
    left join sessions as v on s.customer_id = v.customer_id
    left join cart_counts as t on s.customer_id = t.customer_id
),

matches as (
    select
        f.customer_id,
        min(r.rule_order) as rule_order
    from facts as f
    inner join rules as r
        on f.days_since_first <= coalesce(r.first_seen_within_days, f.days_since_first)
        and f.days_since_last >= coalesce(r.not_seen_for_days, f.days_since_last)
        and f.orders >= coalesce(r.min_orders, f.orders)
        and f.orders <= coalesce(r.max_orders, f.orders)
        and (r.ordered_within_days is null or coalesce(f.days_since_order < r.ordered_within_days, false))
        and (r.not_ordered_for_days is null or coalesce(f.days_since_order >= r.not_ordered_for_days, true))
        and f.views >= coalesce(r.min_views, f.views)
        and (r.min_median_views is null or coalesce(f.median_views >= r.min_median_views, false))
        and f.carts <= coalesce(r.max_carts, f.carts)
    left join recent_carts as t on r.rule_order = t.rule_order and f.customer_id = t.customer_id
    where coalesce(t.abandoned_carts, 0) >= coalesce(r.min_abandoned_carts, 0)
    group by f.customer_id
),

final as (
    select
        f.customer_id,
        r.engagement_segment,
        r.rule_order,
        f.first_seen_date,
        f.last_seen_date,
        f.sessions,
        f.views,
        f.median_views as median_views_per_session,
        f.carts,
        f.abandoned_carts,
        f.orders,
        f.last_order_date
    from facts as f
    left join matches as m on f.customer_id = m.customer_id
    left join rules as r on m.rule_order = r.rule_order
)

select * from final
