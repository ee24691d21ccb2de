-- One row for the home: which shops sell online, so that a sale there can belong to a visit of the web shop.
-- `core.events` is computed by months and can join no table of shops; it looks the shop up in this list. A
-- new shop with a door leaves the list, and so all months, as they are.
with stores as (
    select s.store_id
    from landed.stores as s
    where s.channel in ('online', 'marketplace') and s.store_id <> '__online__'
    union all
    select '__online__'
),

final as (
    select E'\n' || string_agg(s.store_id, E'\n' order by s.store_id) || E'\n' as store_ids
    from stores as s
)

select * from final
