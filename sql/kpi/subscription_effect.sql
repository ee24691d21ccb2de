-- One row per figure and subscription status (subscriber, not subscriber, unknown): do subscribers buy more?
-- `estimate` is `numerator` / `denominator`, with a 95 % interval: Wilson's for shares, normal for averages.
-- Subscribers are compared with customers of whom it is known that they do not subscribe: difference with its
-- interval (Newcombe for shares, Welch for averages) and p-value, corrected for the number of figures
-- (`q_value`). `standardised_estimate` is the estimate as if the group had the mix of main categories of all
-- groups, over the categories that both groups bought. Descriptive: loyal customers subscribe, and
-- subscribers become loyal.
with clock as (
    select
        c.as_of_date,
        c.currency,
        p.min_group_size,
        1.959964::double precision as z
    from core.clock as c
    cross join core.parameters as p
),

statuses as (
    select 'subscriber' as subscription, 1 as status_order
    union all
    select 'not subscriber' as subscription, 2 as status_order
    union all
    select 'unknown' as subscription, 3 as status_order
),

figures as (
    select 'purchasing_share' as figure, 1 as figure_order, 'share' as unit
    union all
    select 'repeat_rate' as figure, 2 as figure_order, 'share' as unit
    union all
    select 'repeat_rate_90d' as figure, 3 as figure_order, 'share' as unit
    union all
    select 'orders_per_customer' as figure, 4 as figure_order, 'orders' as unit
    union all
    select 'net_sales_per_customer' as figure, 5 as figure_order, 'money' as unit
    union all
    select 'aov' as figure, 6 as figure_order, 'money' as unit
),

customers as (
    select
        c.customer_id,
        case
            when c.subscription_status then 'subscriber'
            when not c.subscription_status then 'not subscriber'
            else 'unknown'
        end as subscription
    from core.customers as c
),

orders as (
    select
        o.order_id,
        o.customer_id,
        o.order_date,
        o.order_number,
        o.order_value,
        t.main_category
    from core.orders as o
    inner join kpi.order_traits as t on o.order_id = t.order_id
    where o.customer_id is not null
),

sales as (
    select
        s.customer_id,
        sum(s.net_sales) as net_sales
    from core.sales as s
    cross join clock as c
    where s.is_valid and s.customer_id is not null and s.sold_date <= c.as_of_date
    group by s.customer_id
),

categories as (
    select
        o.customer_id,
        o.main_category,
        row_number() over (
            partition by o.customer_id order by count(*) desc, sum(o.order_value) desc, o.main_category
        ) as place
    from orders as o
    group by o.customer_id, o.main_category
),

buyers as (
    select
        o.customer_id,
        count(*) as orders,
        min(o.order_date) as first_order_date,
        min(o.order_date) filter (where o.order_number = 2) as second_order_date
    from orders as o
    group by o.customer_id
),

described as (
    select
        b.customer_id,
        c.subscription,
        g.main_category,
        b.orders,
        b.first_order_date + 90 <= k.as_of_date as is_mature,
        coalesce(b.second_order_date <= b.first_order_date + 90, false) as came_back,
        coalesce(s.net_sales, 0) as net_sales
    from buyers as b
    cross join clock as k
    inner join customers as c on b.customer_id = c.customer_id
    inner join categories as g on b.customer_id = g.customer_id and g.place = 1
    left join sales as s on b.customer_id = s.customer_id
),

measured as (
    select 'purchasing_share' as figure, c.subscription, null as main_category,
        case when b.customer_id is null then 0 else 1 end::numeric(18, 4) as amount
    from customers as c
    left join buyers as b on c.customer_id = b.customer_id
    union all
    select 'repeat_rate' as figure, d.subscription, d.main_category,
        case when d.orders >= 2 then 1 else 0 end::numeric(18, 4) as amount
    from described as d
    union all
    select 'repeat_rate_90d' as figure, d.subscription, d.main_category,
        case when d.came_back then 1 else 0 end::numeric(18, 4) as amount
    from described as d
    where d.is_mature
    union all
    select 'orders_per_customer' as figure, d.subscription, d.main_category,
        d.orders::numeric(18, 4) as amount
    from described as d
    union all
    select 'net_sales_per_customer' as figure, d.subscription, d.main_category,
        d.net_sales::numeric(18, 4) as amount
    from described as d
    union all
    select 'aov' as figure, c.subscription, o.main_category, o.order_value::numeric(18, 4) as amount
    from orders as o
    inner join customers as c on o.customer_id = c.customer_id
),

sums as (
    select
        f.figure,
        f.figure_order,
        f.unit,
        s.subscription,
        s.status_order,
        count(m.amount) as denominator,
        coalesce(sum(m.amount), 0) as numerator,
        sum(m.amount)::double precision / nullif(count(m.amount), 0) as estimate,
        (var_samp(m.amount))::double precision / nullif(count(m.amount), 0) as squared_error
    from figures as f
    cross join statuses as s
    left join measured as m on f.figure = m.figure and s.subscription = m.subscription
    group by f.figure, f.figure_order, f.unit, s.subscription, s.status_order
),

intervals as (
    select
        s.figure,
        s.figure_order,
        s.unit,
        s.subscription,
        s.status_order,
        s.denominator,
        s.numerator,
        s.estimate,
        s.squared_error,
        case
            when s.denominator = 0 then null
            when s.unit = 'share'
                then greatest(
                    ((s.estimate + c.z * c.z / nullif(2 * s.denominator, 0)) - c.z * sqrt(
                        s.estimate * (1 - s.estimate) / nullif(s.denominator, 0)
                        + c.z * c.z / nullif(4 * s.denominator * s.denominator, 0)
                    )) / nullif(1 + c.z * c.z / nullif(s.denominator, 0), 0),
                    0
                )
            else s.estimate - c.z * sqrt(s.squared_error)
        end as interval_low,
        case
            when s.denominator = 0 then null
            when s.unit = 'share'
                then least(
                    ((s.estimate + c.z * c.z / nullif(2 * s.denominator, 0)) + c.z * sqrt(
                        s.estimate * (1 - s.estimate) / nullif(s.denominator, 0)
                        + c.z * c.z / nullif(4 * s.denominator * s.denominator, 0)
                    )) / nullif(1 + c.z * c.z / nullif(s.denominator, 0), 0),
                    1
                )
            else s.estimate + c.z * sqrt(s.squared_error)
        end as interval_high
    from sums as s
    cross join clock as c
),

pairs as (
    select
        a.figure,
        a.unit,
        a.estimate - b.estimate as difference,
        case
            when a.unit = 'share'
                then a.estimate - b.estimate
                    - sqrt(power(a.estimate - a.interval_low, 2) + power(b.interval_high - b.estimate, 2))
            else a.estimate - b.estimate - c.z * sqrt(a.squared_error + b.squared_error)
        end as difference_low,
        case
            when a.unit = 'share'
                then a.estimate - b.estimate
                    + sqrt(power(a.interval_high - a.estimate, 2) + power(b.estimate - b.interval_low, 2))
            else a.estimate - b.estimate + c.z * sqrt(a.squared_error + b.squared_error)
        end as difference_high,
        a.denominator as n1,
        b.denominator as n2,
        a.squared_error + b.squared_error as squared_error,
        (a.numerator + b.numerator)::double precision / nullif(a.denominator + b.denominator, 0) as pooled
    from intervals as a
    inner join intervals as b on a.figure = b.figure and b.subscription = 'not subscriber'
    cross join clock as c
    where a.subscription = 'subscriber'
),

tested as (
    select
        p.figure,
        case
            when p.unit <> 'share' and least(p.n1, p.n2) >= 8
                then abs(p.difference) / nullif(sqrt(p.squared_error), 0)
            when p.unit = 'share' and least(p.n1, p.n2) * least(p.pooled, 1 - p.pooled) >= 5
                then abs(p.difference) / nullif(
                    sqrt(
                        p.pooled * (1 - p.pooled)
                        * (1::double precision / nullif(p.n1, 0) + 1::double precision / nullif(p.n2, 0))
                    ),
                    0
                )
        end as z
    from pairs as p
),

tails as (
    select
        t.figure,
        t.z / sqrt(2::double precision) as u,
        1 / nullif(1 + t.z / sqrt(2::double precision) / 2, 0) as t
    from tested as t
    where t.z is not null
),

-- The normal tail by Chebyshev's fit of erfc (Press et al., Numerical Recipes; relative error below 1.2e-7).
p_values as (
    select
        t.figure,
        t.t * exp(
            greatest(
                -t.u * t.u - 1.26551223 + t.t * (1.00002368 + t.t * (0.37409196 + t.t * (0.09678418 + t.t * (
                -0.18628806 + t.t * (0.27886807 + t.t * (-1.13520398 + t.t * (1.48851587 + t.t * (
                -0.82215223 + t.t * 0.17087277)))))))),
                -700
            )
        ) as p_value
    from tails as t
),

ordered_p_values as (
    select
        p.figure,
        p.p_value,
        p.p_value * count(*) over () / nullif(row_number() over (order by p.p_value, p.figure), 0) as adjusted
    from p_values as p
),

q_values as (
    select
        p.figure,
        p.p_value,
        -- Rounding could put it a last digit below the p-value.
        greatest(
            p.p_value,
            least(min(p.adjusted) over (order by p.p_value desc, p.figure desc rows unbounded preceding), 1)
        ) as q_value
    from ordered_p_values as p
),

strata as (
    select
        m.figure,
        m.main_category,
        count(*) as members,
        count(*) filter (where m.subscription = 'subscriber') as subscribers,
        count(*) filter (where m.subscription = 'not subscriber') as others
    from measured as m
    where m.main_category is not null
    group by m.figure, m.main_category
),

group_strata as (
    select
        m.figure,
        m.subscription,
        m.main_category,
        count(*) as members,
        sum(m.amount) as amount
    from measured as m
    where m.main_category is not null
    group by m.figure, m.subscription, m.main_category
),

standardised as (
    select
        g.figure,
        g.subscription,
        sum(s.members)::bigint as standard_members,
        sum(s.members * g.amount::double precision / nullif(g.members, 0) order by g.main_category)
        / nullif(sum(s.members), 0)::double precision as standardised_estimate
    from group_strata as g
    inner join strata as s on g.figure = s.figure and g.main_category = s.main_category
    where s.subscribers > 0 and s.others > 0 and g.subscription <> 'unknown'
    group by g.figure, g.subscription
),

final as (
    select
        i.figure,
        i.subscription,
        i.figure_order * 10 + i.status_order as sort_order,
        i.unit,
        i.numerator,
        i.denominator,
        i.estimate,
        i.interval_low as estimate_low,
        i.interval_high as estimate_high,
        d.standard_members,
        d.standardised_estimate,
        p.difference,
        p.difference_low,
        p.difference_high,
        q.p_value,
        q.q_value,
        i.denominator < c.min_group_size as low_n,
        case when i.unit = 'money' then c.currency end as currency
    from intervals as i
    cross join clock as c
    left join pairs as p on i.figure = p.figure and i.subscription = 'subscriber'
    left join q_values as q on i.figure = q.figure and i.subscription = 'subscriber'
    left join standardised as d on i.figure = d.figure and i.subscription = d.subscription
    where exists (select 1 from customers as m)
)

select * from final
