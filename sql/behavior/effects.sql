-- One row per dimension (`device_type`, `location`) and member (mobile, Berlin): how visits of it buy,
-- against all others. `behavior.device_effect` and `behavior.location_effect` are its slices;
-- behavior.effect_sizes judges a dimension as a whole. Orders and money are those of visits, before returns.
-- The rest is all other known members; `unknown` is shown and takes part in no comparison. Visits and orders
-- of one visitor resemble each other: variances are clustered by visitor, the interval of the conversion's
-- difference counts effective visits (visits / design effect), and the Mann-Whitney test of order values and
-- the interval of the medians are widened by their design effect. Verdicts need a q-value below 0.05,
-- corrected for all members of the dimension. They describe and do not prove a cause:
-- `standardised_conversion` gives every location the same mix of devices, and every device that of locations.
with visits as (
    select
        v.visitor_id,
        v.customer_id,
        v.device_type,
        v.location,
        case when v.purchases > 0 then 1 else 0 end as converted,
        v.orders,
        v.net_sales
    from core.visits as v
),

orders as (
    select
        o.session_id,
        o.order_id,
        o.visitor_id,
        o.device_type,
        o.location,
        o.net_sales
    from behavior.visit_orders as o
),

constants as (
    select
        1.959964::double precision as z,
        p.min_group_size
    from core.parameters as p
),

sliced_visits as (
    select
        'device_type' as dimension,
        v.device_type as member,
        v.device_type <> 'unknown' as is_known,
        v.visitor_id,
        v.customer_id,
        v.converted,
        v.orders,
        v.net_sales
    from visits as v
    union all
    select
        'location' as dimension,
        v.location as member,
        v.location <> 'Unknown' as is_known,
        v.visitor_id,
        v.customer_id,
        v.converted,
        v.orders,
        v.net_sales
    from visits as v
),

sliced_orders as (
    select
        'device_type' as dimension,
        o.device_type as member,
        o.device_type <> 'unknown' as is_known,
        o.visitor_id,
        o.session_id,
        o.order_id,
        o.net_sales
    from orders as o
    union all
    select
        'location' as dimension,
        o.location as member,
        o.location <> 'Unknown' as is_known,
        o.visitor_id,
        o.session_id,
        o.order_id,
        o.net_sales
    from orders as o
),

medians as (
    select
        o.dimension,
        o.member,
        count(*) as orders,
        count(distinct o.visitor_id) as buyers,
        percentile_cont(0.5) within group (order by o.net_sales::double precision) as median
    from sliced_orders as o
    group by o.dimension, o.member
),

placed as (
    select
        o.dimension,
        o.member,
        o.visitor_id,
        o.net_sales,
        row_number() over (partition by o.dimension order by o.net_sales, o.session_id, o.order_id) as place,
        row_number() over (
            partition by o.dimension, o.member order by o.net_sales, o.session_id, o.order_id
        ) as own_place,
        rank() over (partition by o.dimension order by o.net_sales) as first_rank,
        count(*) over (partition by o.dimension, o.net_sales) as ties
    from sliced_orders as o
    where o.is_known
),

known_orders as (
    select
        p.dimension,
        count(*) as orders,
        percentile_cont(0.5) within group (order by p.net_sales::double precision) as median
    from placed as p
    group by p.dimension
),

ranked as (
    select
        p.dimension,
        p.member,
        p.visitor_id,
        2 * p.first_rank + p.ties - 1 as double_rank
    from placed as p
),

by_visitor as (
    select
        'conversion' as outcome,
        s.dimension,
        s.member,
        s.is_known,
        s.visitor_id,
        max(s.customer_id) as customer_id,
        count(*) as n,
        sum(s.converted)::bigint as y,
        sum(s.converted)::bigint as squares,
        sum(s.orders) as orders,
        sum(s.net_sales) as net_sales
    from sliced_visits as s
    group by s.dimension, s.member, s.is_known, s.visitor_id
    union all
    select
        'order_value' as outcome,
        r.dimension,
        r.member,
        true as is_known,
        r.visitor_id,
        null as customer_id,
        count(*) as n,
        sum(r.double_rank)::bigint as y,
        sum(r.double_rank * r.double_rank)::bigint as squares,
        null as orders,
        null as net_sales
    from ranked as r
    group by r.dimension, r.member, r.visitor_id
),

known_visitors as (
    select
        b.outcome,
        b.dimension,
        b.visitor_id,
        count(*) as known_members,
        sum(b.n)::bigint as n,
        sum(b.y)::bigint as y,
        sum(b.squares)::bigint as squares
    from by_visitor as b
    where b.is_known
    group by b.outcome, b.dimension, b.visitor_id
),

totals as (
    select
        k.outcome,
        k.dimension,
        count(*) as visitors,
        sum(k.n) as n,
        sum(k.y) as y,
        sum(k.squares) as squares,
        sum(k.y::numeric * k.y) as yy,
        sum(k.y::numeric * k.n) as yn,
        sum(k.n * k.n) as nn
    from known_visitors as k
    group by k.outcome, k.dimension
),

sums as (
    select
        b.outcome,
        b.dimension,
        b.member,
        b.is_known,
        count(*) as visitors,
        count(b.customer_id) as customers,
        count(*) filter (where k.known_members > 1) as shared_visitors,
        count(*) filter (where k.n > b.n) as visitors_in_rest,
        sum(b.orders) as orders,
        sum(b.net_sales) as net_sales,
        sum(b.net_sales) filter (where b.customer_id is not null) as customer_net_sales,
        sum(b.n) as n,
        sum(b.y) as y,
        sum(b.squares) as squares,
        sum(b.y::numeric * b.y) as yy,
        sum(b.y::numeric * b.n) as yn,
        sum(b.n * b.n) as nn,
        sum(k.y::numeric * k.y - (k.y - b.y)::numeric * (k.y - b.y)) as less_yy,
        sum(k.y::numeric * k.n - (k.y - b.y)::numeric * (k.n - b.n)) as less_yn,
        sum(k.n * k.n - (k.n - b.n) * (k.n - b.n)) as less_nn,
        sum(b.y::numeric * (k.y - b.y)) as cross_yy,
        sum(b.y::numeric * (k.n - b.n)) as cross_yn,
        sum(b.n::numeric * (k.y - b.y)) as cross_ny,
        sum(b.n * (k.n - b.n)) as cross_nn
    from by_visitor as b
    left join known_visitors as k
        on b.is_known and b.outcome = k.outcome and b.dimension = k.dimension and b.visitor_id = k.visitor_id
    group by b.outcome, b.dimension, b.member, b.is_known
),

sides as (
    select
        s.outcome,
        s.dimension,
        s.member,
        s.visitors,
        t.visitors - s.visitors + s.visitors_in_rest as rest_visitors,
        t.visitors as all_visitors,
        t.n as all_n,
        t.y as all_y,
        s.n,
        s.y,
        s.squares,
        s.yy,
        s.yn,
        s.nn,
        t.n - s.n as rest_n,
        t.y - s.y as rest_y,
        t.squares - s.squares as rest_squares,
        t.yy - s.less_yy as rest_yy,
        t.yn - s.less_yn as rest_yn,
        t.nn - s.less_nn as rest_nn,
        s.cross_yy,
        s.cross_yn,
        s.cross_ny,
        s.cross_nn
    from sums as s
    inner join totals as t on s.outcome = t.outcome and s.dimension = t.dimension
    where s.is_known and t.n > s.n
),

residuals as (
    select
        s.outcome,
        s.dimension,
        s.member,
        s.visitors,
        s.rest_visitors,
        s.all_visitors,
        s.all_n,
        s.all_y,
        s.n,
        s.y,
        s.rest_n,
        s.rest_y,
        (s.n * s.squares - s.y * s.y)::double precision / nullif(s.n, 0) as single,
        (s.rest_n * s.rest_squares - s.rest_y * s.rest_y)::double precision
        / nullif(s.rest_n, 0) as rest_single,
        (s.n * s.n * s.yy - 2 * s.n * s.y * s.yn + s.y * s.y * s.nn)::double precision
        / nullif(s.n * s.n, 0) as clustered,
        (
            s.rest_n * s.rest_n * s.rest_yy - 2 * s.rest_n * s.rest_y * s.rest_yn
            + s.rest_y * s.rest_y * s.rest_nn
        )::double precision / nullif(s.rest_n * s.rest_n, 0) as rest_clustered,
        (
            s.n * s.rest_n * s.cross_yy - s.n * s.rest_y * s.cross_yn
            - s.y * s.rest_n * s.cross_ny + s.y * s.rest_y * s.cross_nn
        )::double precision / nullif(s.n * s.rest_n, 0) as crossed
    from sides as s
),

variances as (
    select
        r.outcome,
        r.dimension,
        r.member,
        r.visitors,
        r.rest_visitors,
        r.all_n,
        r.all_y,
        r.n,
        r.y,
        r.rest_n,
        r.rest_y,
        r.y::double precision / nullif(r.n, 0) as mean,
        r.rest_y::double precision / nullif(r.rest_n, 0) as rest_mean,
        greatest(1, coalesce(r.clustered / nullif(r.single, 0), 1)) as design_effect,
        greatest(1, coalesce(r.rest_clustered / nullif(r.rest_single, 0), 1)) as rest_design_effect,
        r.single / nullif(r.n * r.n, 0) + r.rest_single / nullif(r.rest_n * r.rest_n, 0) as single,
        r.clustered / nullif(r.n * r.n, 0) + r.rest_clustered / nullif(r.rest_n * r.rest_n, 0)
        - 2 * (r.crossed / nullif(r.n * r.rest_n, 0)) as clustered,
        r.all_visitors::double precision / nullif(r.all_visitors - 1, 0)
        * ((r.all_n - 1)::double precision / nullif(r.all_n - 2, 0)) as correction
    from residuals as r
),

effective as (
    select
        v.dimension,
        v.member,
        v.visitors,
        v.rest_visitors,
        v.all_n,
        v.all_y,
        v.n,
        v.y,
        v.rest_n,
        v.rest_y,
        v.mean as p,
        v.rest_mean as rest_p,
        v.design_effect,
        case
            when v.clustered * v.correction > 0 then sqrt(v.clustered * v.correction)
            when v.clustered * v.correction <= 0 then 0
        end as standard_error,
        v.n / nullif(v.design_effect, 0) as m,
        v.rest_n / nullif(v.rest_design_effect, 0) as rest_m
    from variances as v
    where v.outcome = 'conversion'
),

scores as (
    select
        e.dimension,
        e.member,
        (2 * e.m * e.p + c.z * c.z - c.z * sqrt(c.z * c.z + 4 * e.m * e.p * (1 - e.p)))
        / nullif(2 * (e.m + c.z * c.z), 0) as low,
        (2 * e.m * e.p + c.z * c.z + c.z * sqrt(c.z * c.z + 4 * e.m * e.p * (1 - e.p)))
        / nullif(2 * (e.m + c.z * c.z), 0) as high,
        (
            2 * e.rest_m * e.rest_p + c.z * c.z
            - c.z * sqrt(c.z * c.z + 4 * e.rest_m * e.rest_p * (1 - e.rest_p))
        )
        / nullif(2 * (e.rest_m + c.z * c.z), 0) as rest_low,
        (
            2 * e.rest_m * e.rest_p + c.z * c.z
            + c.z * sqrt(c.z * c.z + 4 * e.rest_m * e.rest_p * (1 - e.rest_p))
        )
        / nullif(2 * (e.rest_m + c.z * c.z), 0) as rest_high
    from effective as e
    cross join constants as c
),

differences as (
    select
        e.dimension,
        e.member,
        e.rest_n as rest_sessions,
        e.rest_y as rest_converted_sessions,
        e.rest_p as rest_conversion,
        e.p - e.rest_p as conversion_difference,
        greatest(
            -1,
            e.p - e.rest_p
            - sqrt((e.p - s.low) * (e.p - s.low) + (s.rest_high - e.rest_p) * (s.rest_high - e.rest_p))
        ) as difference_ci_low,
        least(
            1,
            e.p - e.rest_p
            + sqrt((s.high - e.p) * (s.high - e.p) + (e.rest_p - s.rest_low) * (e.rest_p - s.rest_low))
        ) as difference_ci_high,
        e.standard_error,
        e.design_effect,
        e.visitors >= c.min_group_size and e.rest_visitors >= c.min_group_size
        and least(e.n, e.rest_n) * least(e.all_y, e.all_n - e.all_y) >= 5 * e.all_n as is_large,
        abs(e.p - e.rest_p) / nullif(e.standard_error, 0) as z
    from effective as e
    inner join scores as s on e.dimension = s.dimension and e.member = s.member
    cross join constants as c
),

tied as (
    select
        p.dimension,
        sum(p.ties * p.ties - 1) as ties
    from placed as p
    group by p.dimension
),

samples as (
    select
        v.dimension,
        v.member,
        v.visitors,
        v.rest_visitors,
        v.all_n,
        v.n::bigint as n,
        v.rest_n::bigint as rest_n,
        v.y - v.n * (v.n + 1) as double_u,
        t.ties,
        greatest(1, coalesce(v.clustered / nullif(v.single, 0), 1)) as design_effect,
        greatest(
            1, round(((v.n + 1)::double precision / 2 - sqrt(v.n::double precision))::numeric(18, 6), 0)
        )::bigint as cut,
        greatest(
            1,
            round(
                ((v.rest_n + 1)::double precision / 2 - sqrt(v.rest_n::double precision))::numeric(18, 6), 0
            )
        )::bigint as rest_cut
    from variances as v
    inner join tied as t on v.dimension = t.dimension
    where v.outcome = 'order_value'
),

wanted as (
    select
        s.dimension,
        s.member,
        w.mark,
        case w.mark
            when 'middle_low' then (s.rest_n + 1) / 2
            when 'middle_high' then (s.rest_n + 2) / 2
            when 'cut_low' then s.rest_cut
            when 'cut_high' then s.rest_n - s.rest_cut + 1
        end as rest_place
    from samples as s
    cross join (values ('middle_low'), ('middle_high'), ('cut_low'), ('cut_high')) as w(mark)
),

found as (
    select
        w.dimension,
        w.member,
        w.mark,
        w.rest_place + count(*) filter (where p.place - p.own_place < w.rest_place) as place
    from wanted as w
    inner join placed as p on w.dimension = p.dimension and w.member = p.member
    group by w.dimension, w.member, w.mark, w.rest_place
),

rest_values as (
    select
        f.dimension,
        f.member,
        max(p.net_sales) filter (where f.mark = 'middle_low') as middle_low,
        max(p.net_sales) filter (where f.mark = 'middle_high') as middle_high,
        max(p.net_sales) filter (where f.mark = 'cut_low') as cut_low,
        max(p.net_sales) filter (where f.mark = 'cut_high') as cut_high
    from found as f
    inner join placed as p on f.dimension = p.dimension and f.place = p.place
    group by f.dimension, f.member
),

own_values as (
    select
        s.dimension,
        s.member,
        max(p.net_sales) filter (where p.own_place = s.cut) as cut_low,
        max(p.net_sales) filter (where p.own_place = s.n - s.cut + 1) as cut_high
    from samples as s
    inner join placed as p on s.dimension = p.dimension and s.member = p.member
    where p.own_place in (s.cut, s.n - s.cut + 1)
    group by s.dimension, s.member
),

spreads as (
    select
        s.dimension,
        s.member,
        s.design_effect,
        s.visitors >= c.min_group_size and s.rest_visitors >= c.min_group_size as is_large,
        s.double_u::double precision / nullif(2 * s.n * s.rest_n, 0) as superiority,
        abs(s.double_u - s.n * s.rest_n)::double precision / 2 as distance,
        sqrt(
            s.design_effect * greatest(
                0,
                s.n::double precision * s.rest_n / 12
                * (s.all_n + 1 - s.ties::double precision / nullif(s.all_n * (s.all_n - 1), 0))
            )
        ) as deviation,
        (r.middle_low + r.middle_high)::double precision / 2 as rest_median,
        (o.cut_high - o.cut_low)::double precision * sqrt(s.n::double precision)
        / nullif(2 * (s.n + 1 - 2 * s.cut), 0) as own_error,
        (r.cut_high - r.cut_low)::double precision * sqrt(s.rest_n::double precision)
        / nullif(2 * (s.rest_n + 1 - 2 * s.rest_cut), 0) as rest_error
    from samples as s
    inner join rest_values as r on s.dimension = r.dimension and s.member = r.member
    inner join own_values as o on s.dimension = o.dimension and s.member = o.member
    cross join constants as c
),

order_values as (
    select
        s.dimension,
        s.member,
        s.superiority,
        s.rest_median,
        s.is_large,
        s.design_effect,
        greatest(0, s.distance - 0.5) / nullif(s.deviation, 0) as z,
        c.z * sqrt(s.design_effect * (s.own_error * s.own_error + s.rest_error * s.rest_error)) as margin
    from spreads as s
    cross join constants as c
),

tests as (
    select
        'conversion' as outcome,
        d.dimension,
        d.member,
        d.z / sqrt(2::double precision) as u
    from differences as d
    where d.is_large and d.z is not null
    union all
    select
        'order_value' as outcome,
        o.dimension,
        o.member,
        o.z / sqrt(2::double precision) as u
    from order_values as o
    where o.is_large and o.z is not null
),

chances as (
    select
        t.outcome,
        t.dimension,
        t.member,
        t.u,
        1 / nullif(1 + 0.5::double precision * t.u, 0) as t
    from tests as t
),

p_values as (
    select
        h.outcome,
        h.dimension,
        h.member,
        least(
            1,
            h.t * exp(greatest(
                -h.u * h.u - 1.26551223 + h.t * (1.00002368 + h.t * (0.37409196 + h.t * (0.09678418 + h.t * (
                    -0.18628806 + h.t * (0.27886807 + h.t * (-1.13520398 + h.t * (1.48851587 + h.t * (
                        -0.82215223 + h.t * 0.17087277
                    ))))
                )))),
                -700
            ))
        ) as p
    from chances as h
),

ordered as (
    select
        p.outcome,
        p.dimension,
        p.member,
        p.p,
        row_number() over (partition by p.outcome, p.dimension order by p.p, p.member) as place,
        count(*) over (partition by p.outcome, p.dimension) as tests
    from p_values as p
),

q_values as (
    select
        o.outcome,
        o.dimension,
        o.member,
        o.p,
        greatest(
            o.p,
            least(
                1,
                min(o.p * o.tests / nullif(o.place, 0)) over (
                    partition by o.outcome, o.dimension
                    order by o.p desc, o.member desc rows unbounded preceding
                )
            )
        ) as q
    from ordered as o
),

cells as (
    select
        v.device_type,
        v.location,
        count(*) as n,
        sum(v.converted) as y
    from visits as v
    group by v.device_type, v.location
),

device_mix as (
    select
        c.device_type,
        sum(c.n) as n
    from cells as c
    group by c.device_type
),

location_mix as (
    select
        c.location,
        sum(c.n) as n
    from cells as c
    group by c.location
),

standardised as (
    select
        'location' as dimension,
        c.location as member,
        sum(m.n) as covered,
        sum(m.n * (c.y::double precision / nullif(c.n, 0)) order by c.device_type) as expected
    from cells as c
    inner join device_mix as m on c.device_type = m.device_type
    group by c.location
    union all
    select
        'device_type' as dimension,
        c.device_type as member,
        sum(m.n) as covered,
        sum(m.n * (c.y::double precision / nullif(c.n, 0)) order by c.location) as expected
    from cells as c
    inner join location_mix as m on c.location = m.location
    group by c.device_type
),

every as (
    select sum(c.n) as n
    from cells as c
),

numbers as (
    select
        s.dimension,
        s.member,
        s.is_known,
        s.n as sessions,
        s.visitors,
        s.customers,
        s.shared_visitors,
        s.y as converted_sessions,
        s.orders,
        s.net_sales,
        coalesce(s.customer_net_sales, 0) as customer_net_sales,
        s.n::double precision as n,
        s.y::double precision as k
    from sums as s
    where s.outcome = 'conversion'
),

final as (
    select
        r.dimension,
        r.member,
        r.sessions,
        r.sessions::double precision / nullif(e.n, 0) as share,
        r.visitors,
        r.customers,
        r.shared_visitors,
        r.converted_sessions,
        r.k / nullif(r.n, 0) as session_conversion,
        greatest(
            0,
            (2 * r.k + c.z * c.z - c.z * sqrt(c.z * c.z + 4 * r.k * (r.n - r.k) / nullif(r.n, 0)))
            / nullif(2 * (r.n + c.z * c.z), 0)
        ) as ci_low,
        least(
            1,
            1 - (
                2 * (r.n - r.k) + c.z * c.z
                - c.z * sqrt(c.z * c.z + 4 * r.k * (r.n - r.k) / nullif(r.n, 0))
            ) / nullif(2 * (r.n + c.z * c.z), 0)
        ) as ci_high,
        coalesce(m.buyers, 0) as buyers,
        r.orders,
        r.net_sales,
        (r.net_sales / nullif(r.orders, 0))::numeric(18, 4) as aov,
        m.median::numeric(18, 4) as median_order_value,
        (r.net_sales / nullif(r.sessions, 0))::numeric(18, 4) as net_sales_per_session,
        r.customer_net_sales,
        (r.customer_net_sales / nullif(r.customers, 0))::numeric(18, 4) as net_sales_per_customer,
        g.currency,
        d.rest_sessions,
        d.rest_converted_sessions,
        d.rest_conversion,
        d.conversion_difference,
        d.difference_ci_low,
        d.difference_ci_high,
        d.standard_error,
        d.design_effect,
        pc.p as p_value,
        pc.q as q_value,
        case
            when pc.q >= 0.05 then 'not distinguishable'
            when pc.q < 0.05 and d.conversion_difference > 0 then 'higher'
            when pc.q < 0.05 then 'lower'
        end as conversion_verdict,
        case when d.rest_sessions is not null then coalesce(k.orders, 0) - coalesce(m.orders, 0) end
            as rest_orders,
        case
            when d.rest_sessions is not null and m.orders is null then k.median
            else o.rest_median
        end::numeric(18, 4) as rest_median_order_value,
        case when r.is_known then (m.median - o.rest_median)::numeric(18, 4) end as median_difference,
        case when o.is_large then (m.median - o.rest_median - o.margin)::numeric(18, 4) end
            as median_difference_ci_low,
        case when o.is_large then (m.median - o.rest_median + o.margin)::numeric(18, 4) end
            as median_difference_ci_high,
        o.superiority,
        o.design_effect as order_value_design_effect,
        po.p as order_value_p_value,
        po.q as order_value_q_value,
        case
            when po.q >= 0.05 then 'not distinguishable'
            when po.q < 0.05 and o.superiority > 0.5 then 'higher'
            when po.q < 0.05 then 'lower'
        end as order_value_verdict,
        s.expected / nullif(s.covered, 0) as standardised_conversion,
        s.covered::double precision / nullif(e.n, 0) as standardised_coverage,
        r.visitors < c.min_group_size or not coalesce(d.is_large, true) as low_n
    from numbers as r
    cross join constants as c
    cross join core.clock as g
    cross join every as e
    left join medians as m on r.dimension = m.dimension and r.member = m.member
    left join known_orders as k on r.dimension = k.dimension
    left join differences as d on r.dimension = d.dimension and r.member = d.member
    left join order_values as o on r.dimension = o.dimension and r.member = o.member
    left join q_values as pc
        on pc.outcome = 'conversion' and r.dimension = pc.dimension and r.member = pc.member
    left join q_values as po
        on po.outcome = 'order_value' and r.dimension = po.dimension and r.member = po.member
    left join standardised as s on r.dimension = s.dimension and r.member = s.member
)

select * from final
