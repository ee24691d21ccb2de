-- One row per cut-off of customer.value_cutoffs and customer with an order up to it: what is known of the customer on
-- that day, and what came after. Everything but the two labels follows from sales lines and events up to the
-- cut-off: from lines, since an order may have later ones, and from events that name the customer themselves, since
-- who owns a device is often learnt later. `last_input_date` is the latest day that was used. Age is counted at the
-- cut-off where the birth date is known; gender and location have no history and are as delivered last. The status
-- of a subscription is left out: that of today may be a consequence of what is predicted.
-- The labels are NULL at the as-of date, whose future is not known.
with clock as (
    select
        c.as_of_date,
        p.loyal_above_orders,
        p.age_max
    from core.clock as c
    cross join core.parameters as p
),

cutoffs as (
    select
        c.cutoff_date,
        c.horizon_days,
        c.label_end_date
    from customer.value_cutoffs as c
),

first_bought as (
    select
        s.customer_id,
        p.category,
        min(s.sold_date) as sold_date
    from core.sales as s
    inner join core.products as p on s.product_id = p.product_id
    cross join clock as c
    where s.customer_id is not null and s.is_valid and s.line_type = 'sale' and s.sold_date <= c.as_of_date
    group by s.customer_id, p.category
),

categories as (
    select
        c.cutoff_date,
        f.customer_id,
        count(*) as categories
    from cutoffs as c
    inner join first_bought as f on f.sold_date <= c.cutoff_date
    group by c.cutoff_date, f.customer_id
),

events as (
    select
        e.customer_id,
        e.session_id,
        e.occurred_date,
        count(*) filter (where e.event_type = 'view') as views,
        count(*) filter (where e.event_type = 'cart') as carts
    from core.events as e
    cross join (select min(f.cutoff_date) as first_cutoff_date from cutoffs as f) as b
    cross join clock as c
    where e.event_source = 'interaction'
        and e.event_type <> 'purchase'
        and e.customer_id is not null
        and e.occurred_date <= c.as_of_date
        and e.occurred_date > b.first_cutoff_date - 90
        and not exists (select 1 from core.devices as d where d.device_id = e.device_id and d.is_bot)
    group by e.customer_id, e.session_id, e.occurred_date
),

-- a session counts on the first day on which it names the customer
visits as (
    select
        v.customer_id,
        v.occurred_date,
        sum(v.views) as views,
        sum(v.carts) as carts,
        sum(v.begun) as sessions
    from (
        select
            e.customer_id,
            e.occurred_date,
            e.views,
            e.carts,
            case
                when row_number() over (
                    partition by e.customer_id, e.session_id order by e.occurred_date
                ) = 1 then 1
                else 0
            end as begun
        from events as e
    ) as v
    group by v.customer_id, v.occurred_date
),

visited as (
    select
        c.cutoff_date,
        v.customer_id,
        max(v.occurred_date) as last_event_date,
        coalesce(sum(v.sessions) filter (where c.cutoff_date - v.occurred_date < 30), 0) as sessions_30,
        sum(v.sessions) as sessions_90,
        coalesce(sum(v.views) filter (where c.cutoff_date - v.occurred_date < 30), 0) as views_30,
        sum(v.views) as views_90,
        coalesce(sum(v.carts) filter (where c.cutoff_date - v.occurred_date < 30), 0) as carts_30,
        sum(v.carts) as carts_90
    from cutoffs as c
    inner join visits as v on v.occurred_date <= c.cutoff_date and v.occurred_date > c.cutoff_date - 90
    group by c.cutoff_date, v.customer_id
),

labels as (
    select
        c.cutoff_date,
        m.customer_id,
        sum(m.net_sales) as future_net_sales,
        sum(m.net_sales) filter (where m.sold_date <= c.cutoff_date + c.horizon_days / 2)
            as half_horizon_net_sales
    from cutoffs as c
    inner join customer.value_days as m on m.sold_date > c.cutoff_date and m.sold_date <= c.label_end_date
    group by c.cutoff_date, m.customer_id
),

customers as (
    select
        m.customer_id,
        m.gender,
        m.birth_date,
        m.age_group,
        m.location,
        coalesce(m.previous_purchases, 0) as previous_purchases
    from core.customers as m
),

final as (
    select
        b.cutoff_date,
        b.customer_id,
        b.cutoff_date - b.last_order_date as recency_days,
        b.cutoff_date - b.first_order_date as tenure_days,
        o.orders,
        o.orders_30,
        o.orders_90,
        o.orders_180,
        o.orders_90::double precision / nullif(o.orders_180 - o.orders_90, 0) as trend_ratio,
        b.net_sales,
        b.net_sales_30,
        b.net_sales_90,
        b.net_sales_180,
        b.past_net_sales,
        b.ordered_value,
        (b.ordered_value / nullif(o.orders, 0))::numeric(18, 4) as aov,
        o.median_order_value,
        b.order_intervals,
        b.interval_days::double precision / nullif(b.order_intervals, 0) as mean_days_between_orders,
        case
            when b.order_intervals > 1
                then sqrt(
                    (b.order_intervals * b.squared_interval_days - b.interval_days * b.interval_days)::double precision
                    / nullif(b.order_intervals * (b.order_intervals - 1), 0)
                )
        end as deviation_days_between_orders,
        coalesce(k.categories, 0) as categories,
        b.gross_sales,
        b.discounts,
        b.discounts::double precision / nullif(b.gross_sales, 0) as discount_rate,
        b.returns,
        b.returns::double precision / nullif(b.ordered_value, 0) as return_share,
        coalesce(v.sessions_30, 0) as sessions_30,
        coalesce(v.sessions_90, 0) as sessions_90,
        coalesce(v.views_30, 0) as views_30,
        coalesce(v.views_90, 0) as views_90,
        coalesce(v.carts_30, 0) as carts_30,
        coalesce(v.carts_90, 0) as carts_90,
        coalesce(g.age_group, m.age_group) as age_group,
        m.gender,
        m.location,
        case
            when o.orders + m.previous_purchases > c.loyal_above_orders then 'Loyal'
            when o.orders + m.previous_purchases > 1 then 'Returning'
            else 'New'
        end as loyalty_segment,
        greatest(b.occasions - 1, 0) as repeat_orders,
        coalesce(b.last_occasion_date - b.first_occasion_date, 0) as last_repeat_days,
        b.cutoff_date - coalesce(b.first_occasion_date, b.first_order_date) as observed_days,
        (b.repeat_value / nullif(b.occasions - 1, 0))::numeric(18, 4) as mean_repeat_value,
        coalesce(b.first_value, 0) as first_value,
        case when t.label_end_date is not null then coalesce(l.future_net_sales, 0) end as future_net_sales,
        case when t.label_end_date is not null then coalesce(l.half_horizon_net_sales, 0) end
            as half_horizon_net_sales,
        greatest(b.last_sale_date, v.last_event_date) as last_input_date
    from customer.value_purchases as b
    inner join cutoffs as t on b.cutoff_date = t.cutoff_date
    inner join customer.value_orders as o on b.cutoff_date = o.cutoff_date and b.customer_id = o.customer_id
    inner join customers as m on b.customer_id = m.customer_id
    cross join clock as c
    left join core.age_groups as g
        on extract(year from age(b.cutoff_date, m.birth_date))::int >= g.age_from
        and extract(year from age(b.cutoff_date, m.birth_date))::int <= least(g.age_to, c.age_max)
    left join categories as k on b.cutoff_date = k.cutoff_date and b.customer_id = k.customer_id
    left join visited as v on b.cutoff_date = v.cutoff_date and b.customer_id = v.customer_id
    left join labels as l on b.cutoff_date = l.cutoff_date and b.customer_id = l.customer_id
)

select * from final
