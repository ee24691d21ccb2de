-- One row per scope, variant, period, breakdown value and step of the way from a product's page over the cart
-- to the purchase. A unit counts once, with that attempt of its that went furthest (the earliest of equals):
-- a view, a cart after it and a purchase after that, within the window from the view. Other events may lie
-- between, and equal moments count as in order. The unit is a session; a visitor in a month; or a visitor and
-- a product in a month. The month is that of the view, so the purchase may fall into the next; the period
-- `all` adds the months up. `cart_optional` is the variant that asks for a view and a purchase only. A
-- breakdown takes the value at the attempt's view (`attribution`), so that its values add up to `all`. Rates
-- of the last days still ripen (`units_open`); the `mature` ones are of attempts whose window is over.
-- Purchases stand in the month of the purchase, on the row of its step: `orphan_purchases` have no view in
-- the window before them, `direct_purchases` have one and no cart in between. Products are goods alone where
-- the unit names the product.
with clock as (
    select
        c.first_interaction_date,
        c.as_of_date,
        (c.as_of_date + 1)::timestamp at time zone p.timezone as data_end_at,
        p.funnel_window_days * interval '24 hours' as time_limit,
        p.min_group_size,
        1.959964::double precision as z
    from core.clock as c
    cross join core.parameters as p
),

months as (
    select distinct d.month
    from core.calendar as d
    cross join clock as c
    where d.day between c.first_interaction_date and c.as_of_date
),

kinds as (
    select
        k.device_type,
        k.location,
        k.channel,
        k.kind_number as kind
    from behavior.numbered_kinds as k
),

shelves as (
    select
        g.category,
        row_number() over (order by g.category) as shelf
    from (select distinct p.category from core.products as p where p.product_type = 'goods') as g
),

goods as (
    select
        n.number as product,
        s.category,
        s.shelf
    from core.products as p
    inner join behavior.numbered_names as n on p.product_id = n.name and n.level = 'product'
    inner join shelves as s on p.category = s.category
    where p.product_type = 'goods'
),

events as (
    select
        e.visitor_number as visitor,
        case when e.visit_number > 0 then e.visit_number end as visit,
        e.good_number as product,
        case when e.visit_number > 0 then e.kind_number end as kind,
        e.funnel_step as step,
        e.occurred_at,
        e.occurred_month as month
    from behavior.numbered_events as e
    cross join clock as c
    where e.funnel_step is not null and e.occurred_date >= c.first_interaction_date
),

-- the kind of the visit at a view; two views of a visitor at the same moment: the first in the order of kinds
touches as (
    select
        e.visitor,
        e.occurred_at,
        min(e.kind) as kind
    from events as e
    where e.step = 1
    group by e.visitor, e.occurred_at
),

-- scopes: 1 session, 2 visitor, 3 visitor and product
first_views as (
    select
        1 as scope,
        e.visit as unit,
        0 as product,
        e.month,
        min(e.occurred_at) as view_at,
        min(e.kind) as low_kind,
        max(e.kind) as high_kind
    from events as e
    where e.step = 1 and e.visit is not null
    group by e.visit, e.month
    union all
    select
        2 as scope,
        e.visitor as unit,
        0 as product,
        e.month,
        min(e.occurred_at) as view_at,
        min(e.kind) as low_kind,
        max(e.kind) as high_kind
    from events as e
    where e.step = 1 and e.visitor is not null
    group by e.visitor, e.month
    union all
    select
        3 as scope,
        e.visitor as unit,
        e.product,
        e.month,
        min(e.occurred_at) as view_at,
        min(e.kind) as low_kind,
        max(e.kind) as high_kind
    from events as e
    where e.step = 1 and e.visitor is not null and e.product is not null
    group by e.visitor, e.product, e.month
),

units as (
    select
        f.scope,
        f.month,
        f.product,
        f.scope > 1 and coalesce(o.view_at, f.view_at) + c.time_limit > c.data_end_at as is_young,
        f.scope > 1 and coalesce(o.bought_view_at, f.view_at) + c.time_limit > c.data_end_at
            as is_bought_young,
        o.cart_at is not null as is_carted,
        o.purchase_at is not null as is_purchased,
        o.bought_at is not null as is_bought,
        case when o.cart_at is not null then o.kind else coalesce(t.kind, f.low_kind) end as kind,
        case when o.bought_at is not null then o.bought_kind else coalesce(t.kind, f.low_kind) end
            as bought_kind
    from first_views as f
    cross join clock as c
    left join behavior.funnel_outcomes as o
        on f.scope = o.scope and f.unit = o.unit and f.product = o.product and f.month = o.month
    left join touches as t
        on case when f.low_kind < f.high_kind then f.unit end = t.visitor and f.view_at = t.occurred_at
),

counted as (
    select
        u.scope,
        u.month,
        g.shelf,
        u.kind,
        u.bought_kind,
        count(*) as viewed,
        count(*) filter (where u.is_carted) as carted,
        count(*) filter (where u.is_purchased) as purchased,
        count(*) filter (where u.is_bought) as bought,
        count(*) filter (where u.is_young and not u.is_carted) as cart_open,
        count(*) filter (where u.is_young and not u.is_purchased) as purchase_open,
        count(*) filter (where u.is_bought_young and not u.is_bought) as bought_open,
        count(*) filter (where not u.is_young) as mature,
        count(*) filter (where not u.is_young and u.is_carted) as carted_mature,
        count(*) filter (where not u.is_young and u.is_purchased) as purchased_mature,
        count(*) filter (where not u.is_bought_young) as bought_view_mature,
        count(*) filter (where not u.is_bought_young and u.is_bought) as bought_mature
    from units as u
    left join goods as g on u.product = g.product
    group by u.scope, u.month, g.shelf, u.kind, u.bought_kind
),

reached as (
    select
        n.scope,
        n.month,
        n.shelf,
        n.kind,
        false as cart_optional,
        s.step,
        case s.step when 1 then n.viewed when 2 then n.carted else n.purchased end as units_reached,
        case s.step when 1 then 0 when 2 then n.cart_open else n.purchase_open end as units_open,
        case s.step when 1 then n.mature when 2 then n.carted_mature else n.purchased_mature end
            as units_reached_mature
    from counted as n
    cross join (values (1), (2), (3)) as s(step)
    union all
    select
        n.scope,
        n.month,
        n.shelf,
        n.bought_kind as kind,
        true as cart_optional,
        s.step,
        case s.step when 1 then n.viewed else n.bought end as units_reached,
        case s.step when 1 then 0 else n.bought_open end as units_open,
        case s.step when 1 then n.bought_view_mature else n.bought_mature end as units_reached_mature
    from counted as n
    cross join (values (1), (3)) as s(step)
),

purchases as (
    select
        case when e.visit_number > 0 then e.visit_number end as visit,
        e.visitor_number as visitor,
        g.product,
        g.category,
        e.occurred_at,
        e.occurred_month as month,
        k.device_type,
        k.location,
        k.channel
    from behavior.numbered_events as e
    cross join clock as c
    inner join kinds as k on e.kind_number = k.kind
    left join goods as g on e.good_number = g.product
    where e.funnel_step = 3 and e.occurred_date >= c.first_interaction_date
),

judged as (
    select
        s.scope,
        p.month,
        p.category,
        p.device_type,
        p.location,
        p.channel,
        count(*) as purchases,
        count(*) filter (where not coalesce(x.is_viewed, false)) as orphan_purchases,
        count(*) filter (where x.is_viewed and not x.is_carted) as direct_purchases
    from purchases as p
    cross join (values (1), (2), (3)) as s(scope)
    left join behavior.funnel_purchases as x
        on s.scope = x.scope
        and case when s.scope = 1 then p.visit else p.visitor end = x.unit
        and case when s.scope = 3 then p.product else 0 end = x.product
        and p.occurred_at = x.occurred_at
    where s.scope < 3 or p.product is not null
    group by s.scope, p.month, p.category, p.device_type, p.location, p.channel
),

breakdowns as (
    select b.breakdown
    from (values ('all'), ('device_type'), ('location'), ('channel'), ('category')) as b(breakdown)
),

reached_by_member as (
    select
        r.scope,
        r.cart_optional,
        r.month,
        b.breakdown,
        case b.breakdown
            when 'all' then 'all'
            when 'device_type' then coalesce(k.device_type, 'unknown')
            when 'location' then coalesce(k.location, 'Unknown')
            when 'channel' then coalesce(k.channel, 'unknown')
            else h.category
        end as breakdown_value,
        r.step,
        r.units_reached,
        r.units_open,
        r.units_reached_mature
    from reached as r
    cross join breakdowns as b
    left join kinds as k on r.kind = k.kind
    left join shelves as h on r.shelf = h.shelf
    where b.breakdown <> 'category' or r.scope = 3
),

unit_figures as (
    select
        r.scope,
        r.cart_optional,
        r.month,
        r.breakdown,
        r.breakdown_value,
        r.step,
        sum(r.units_reached) as units_reached,
        sum(r.units_open) as units_open,
        sum(r.units_reached_mature) as units_reached_mature
    from reached_by_member as r
    group by grouping sets (
        (r.scope, r.cart_optional, r.breakdown, r.breakdown_value, r.step, r.month),
        (r.scope, r.cart_optional, r.breakdown, r.breakdown_value, r.step)
    )
),

purchases_by_member as (
    select
        j.scope,
        j.month,
        b.breakdown,
        case b.breakdown
            when 'all' then 'all'
            when 'device_type' then j.device_type
            when 'location' then j.location
            when 'channel' then j.channel
            else j.category
        end as breakdown_value,
        j.purchases,
        j.orphan_purchases,
        j.direct_purchases
    from judged as j
    cross join breakdowns as b
    where b.breakdown <> 'category' or j.scope = 3
),

purchase_figures as (
    select
        p.scope,
        p.month,
        p.breakdown,
        p.breakdown_value,
        sum(p.purchases) as purchases,
        sum(p.orphan_purchases) as orphan_purchases,
        sum(p.direct_purchases) as direct_purchases
    from purchases_by_member as p
    group by grouping sets (
        (p.scope, p.breakdown, p.breakdown_value, p.month),
        (p.scope, p.breakdown, p.breakdown_value)
    )
),

members as (
    select
        s.scope,
        'all' as breakdown,
        'all' as breakdown_value
    from (values (1), (2), (3)) as s(scope)
    union
    select
        u.scope,
        u.breakdown,
        u.breakdown_value
    from unit_figures as u
    union
    select
        p.scope,
        p.breakdown,
        p.breakdown_value
    from purchase_figures as p
),

periods as (
    select
        m.month,
        to_char(m.month, 'YYYY-MM') as period_name
    from months as m
    union all
    select
        null as month,
        'all' as period_name
    from clock as c
    where c.first_interaction_date <= c.as_of_date
),

rows_of_steps as (
    select
        m.scope,
        s.cart_optional,
        p.period_name,
        p.month,
        m.breakdown,
        m.breakdown_value,
        s.step_number,
        s.step,
        s.place
    from members as m
    cross join periods as p
    cross join (
        values
            (false, 1, 'view', 1),
            (false, 2, 'cart', 2),
            (false, 3, 'purchase', 3),
            (true, 1, 'view', 1),
            (true, 2, 'purchase', 3)
    ) as s(cart_optional, step_number, step, place)
),

filled as (
    select
        s.scope,
        s.cart_optional,
        s.period_name,
        s.month,
        s.breakdown,
        s.breakdown_value,
        s.step_number,
        s.step,
        coalesce(u.units_reached, 0)::bigint as units_reached,
        coalesce(u.units_open, 0)::bigint as units_open,
        coalesce(u.units_reached_mature, 0)::bigint as units_reached_mature,
        w.median_seconds,
        w.mean_seconds,
        case when s.step = 'purchase' then coalesce(p.purchases, 0) end as purchases,
        case when s.step = 'purchase' then coalesce(p.orphan_purchases, 0) end as orphan_purchases,
        case when s.step = 'purchase' then coalesce(p.direct_purchases, 0) end as direct_purchases
    from rows_of_steps as s
    left join unit_figures as u
        on s.scope = u.scope
        and s.cart_optional = u.cart_optional
        and s.month is not distinct from u.month
        and s.breakdown = u.breakdown
        and s.breakdown_value = u.breakdown_value
        and s.place = u.step
    left join behavior.funnel_waits as w
        on s.scope = w.scope
        and s.cart_optional = w.cart_optional
        and s.month is not distinct from w.month
        and s.breakdown = w.breakdown
        and s.breakdown_value = w.breakdown_value
        and s.place = w.step
    left join purchase_figures as p
        on s.scope = p.scope
        and s.month is not distinct from p.month
        and s.breakdown = p.breakdown
        and s.breakdown_value = p.breakdown_value
),

compared as (
    select
        f.scope,
        f.cart_optional,
        f.period_name,
        f.month,
        f.breakdown,
        f.breakdown_value,
        f.step_number,
        f.step,
        first_value(f.units_reached) over steps as units_started,
        lag(f.units_reached) over steps as units_previous,
        f.units_reached,
        f.units_open,
        first_value(f.units_reached_mature) over steps as units_mature,
        f.units_reached_mature,
        f.median_seconds,
        f.mean_seconds,
        f.purchases,
        f.orphan_purchases,
        f.direct_purchases
    from filled as f
    window steps as (
        partition by f.scope, f.cart_optional, f.period_name, f.breakdown, f.breakdown_value
        order by f.step_number
    )
),

-- Wilson's score interval, both ends multiplied by n + z²
intervals as (
    select
        m.scope,
        m.cart_optional,
        m.period_name,
        m.breakdown,
        m.breakdown_value,
        m.step_number,
        m.units_reached + c.z * c.z / 2 as middle,
        c.z * sqrt(
            m.units_reached::double precision * (m.units_previous - m.units_reached)
            / nullif(m.units_previous, 0) + c.z * c.z / 4
        ) as step_half,
        nullif(m.units_previous, 0) + c.z * c.z as step_divisor,
        c.z * sqrt(
            m.units_reached::double precision * (m.units_started - m.units_reached)
            / nullif(m.units_started, 0) + c.z * c.z / 4
        ) as half,
        nullif(m.units_started, 0) + c.z * c.z as divisor,
        m.units_started < c.min_group_size as low_n
    from compared as m
    cross join clock as c
),

final as (
    select
        s.scope,
        m.cart_optional,
        m.period_name,
        m.month,
        m.breakdown,
        m.breakdown_value,
        m.step_number,
        m.step,
        m.units_started,
        m.units_previous,
        m.units_reached,
        m.units_previous - m.units_reached as dropped,
        m.units_reached::double precision / nullif(m.units_previous, 0) as step_conversion,
        case
            when m.units_reached = 0 and m.units_previous > 0 then 0
            else (i.middle - i.step_half) / nullif(i.step_divisor, 0)
        end as step_ci_low,
        case
            when m.units_reached = m.units_previous and m.units_previous > 0 then 1
            else (i.middle + i.step_half) / nullif(i.step_divisor, 0)
        end as step_ci_high,
        m.units_reached::double precision / nullif(m.units_started, 0) as overall_conversion,
        case
            when m.units_reached = 0 and m.units_started > 0 then 0
            else (i.middle - i.half) / nullif(i.divisor, 0)
        end as ci_low,
        case
            when m.units_reached = m.units_started and m.units_started > 0 then 1
            else (i.middle + i.half) / nullif(i.divisor, 0)
        end as ci_high,
        m.median_seconds,
        m.mean_seconds,
        m.units_open,
        m.units_mature,
        m.units_reached_mature,
        m.units_reached_mature::double precision / nullif(m.units_mature, 0) as overall_conversion_mature,
        m.purchases,
        m.orphan_purchases,
        m.direct_purchases,
        'first_touch' as attribution,
        i.low_n
    from compared as m
    inner join (values (1, 'session'), (2, 'visitor'), (3, 'visitor_product')) as s(number, scope)
        on m.scope = s.number
    inner join intervals as i
        on m.scope = i.scope
        and m.cart_optional = i.cart_optional
        and m.period_name = i.period_name
        and m.breakdown = i.breakdown
        and m.breakdown_value = i.breakdown_value
        and m.step_number = i.step_number
)

select * from final
