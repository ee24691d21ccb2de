-- One row per month for each of three sums: interactions but purchases, sales lines that count, and their net
-- sales, each in core.events and where it comes from. (Purchases of the tracker are fewer than its events:
-- repeated ones are left out.)
with events as (
    select
        e.occurred_month as month,
        count(*) filter (where e.event_source = 'interaction' and e.event_type <> 'purchase') as interactions,
        count(e.sale_id) as sales_lines,
        coalesce(sum(e.value) filter (where e.sale_id is not null), 0) as net_sales
    from core.events as e
    group by e.occurred_month
),

interactions as (
    select
        i.occurred_month as month,
        count(*) as interactions
    from core.interactions as i
    where i.event_type <> 'purchase'
    group by i.occurred_month
),

sales as (
    select
        s.sold_month as month,
        count(*) as sales_lines,
        sum(s.net_sales) as net_sales
    from core.sales as s
    where s.is_valid and s.line_type = 'sale'
    group by s.sold_month
),

amounts as (
    select
        to_char(e.month, 'YYYY-MM') || ' interactions' as item,
        e.interactions as left_value,
        0 as right_value
    from events as e
    union all
    select
        to_char(i.month, 'YYYY-MM') || ' interactions' as item,
        0 as left_value,
        i.interactions as right_value
    from interactions as i
    union all
    select
        to_char(e.month, 'YYYY-MM') || ' sales lines' as item,
        e.sales_lines as left_value,
        0 as right_value
    from events as e
    union all
    select
        to_char(s.month, 'YYYY-MM') || ' sales lines' as item,
        0 as left_value,
        s.sales_lines as right_value
    from sales as s
    union all
    select
        to_char(e.month, 'YYYY-MM') || ' net sales' as item,
        e.net_sales as left_value,
        0 as right_value
    from events as e
    union all
    select
        to_char(s.month, 'YYYY-MM') || ' net sales' as item,
        0 as left_value,
        s.net_sales as right_value
    from sales as s
),

final as (
    select
        'core.events' as derived,
        a.item,
        sum(a.left_value) as left_value,
        sum(a.right_value) as right_value,
        sum(a.left_value) - sum(a.right_value) as difference
    from amounts as a
    group by a.item
)

select * from final
